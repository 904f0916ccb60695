//! The saved state taken apart and put together: eight bytes of length, then JSON with versions, parameters and fields.

use serde_json::Value;

use crate::Result;

/// A saved state that can be looked into and changed.
#[derive(Clone, Debug, PartialEq)]
pub struct StateDocument {
    json: Value,
}

impl StateDocument {
    /// Reads a saved state.
    ///
    /// # Errors
    /// When the bytes are no saved state.
    pub fn read(bytes: &[u8]) -> Result<Self> {
        let (length, json) = bytes.split_first_chunk::<8>().ok_or("a state begins with eight bytes of length")?;
        if u64::from_le_bytes(*length) != json.len() as u64 {
            return Err(format!("expected {} bytes, found {}", u64::from_le_bytes(*length), json.len()).into());
        }
        Ok(Self { json: serde_json::from_slice(json)? })
    }

    /// The bytes that a plugin loads.
    pub fn to_bytes(&self) -> Vec<u8> {
        let json = self.json.to_string();
        [&(json.len() as u64).to_le_bytes(), json.as_bytes()].concat()
    }

    /// A persisted field's text.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.json["fields"][name].as_str()
    }

    /// Whether all that another state holds is the same here. What later versions have added, parameters and choices of the view, may be
    /// here beside it.
    pub fn keeps(&self, other: &Self) -> bool {
        fn holds(ours: &Value, theirs: &Value) -> bool {
            match (ours, theirs) {
                (Value::Object(ours), Value::Object(theirs)) => {
                    theirs.iter().all(|(key, value)| ours.get(key).is_some_and(|own| holds(own, value)))
                }
                // The view's state is JSON in a text.
                (Value::String(ours), Value::String(theirs)) if ours != theirs => {
                    let read = |text: &str| serde_json::from_str::<Value>(text).ok().filter(Value::is_object);
                    matches!((read(ours), read(theirs)), (Some(ours), Some(theirs)) if holds(&ours, &theirs))
                }
                _ => ours == theirs,
            }
        }
        ["params", "fields"].into_iter().all(|part| holds(&self.json[part], &other.json[part]))
    }

    /// Replaces a persisted field's text.
    pub fn set_field(&mut self, name: &str, text: &str) {
        self.json["fields"][name] = text.into();
    }

    /// Replaces a parameter's saved value.
    pub fn set_parameter(&mut self, id: &str, value: Value) {
        self.json["params"][id] = value;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_survives_reading_and_writing() {
        let json = br#"{"fields":{"layout":"{}"},"params":{"engine":{"String":"agg-rl"}},"version":"0.1.0"}"#;
        let bytes = [&(json.len() as u64).to_le_bytes()[..], json].concat();
        let mut state = StateDocument::read(&bytes).unwrap();
        assert_eq!(state.to_bytes(), bytes);
        state.set_field("layout", "[]");
        assert_eq!(StateDocument::read(&state.to_bytes()).unwrap().field("layout"), Some("[]"));
        assert!(StateDocument::read(&bytes[..20]).is_err());
        assert!(!state.keeps(&StateDocument::read(&bytes).unwrap()));
    }
}
