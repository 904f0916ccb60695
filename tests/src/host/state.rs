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

    /// Whether parameters and fields are the same; the version of the plugin that saved them may differ.
    pub fn same_session(&self, other: &Self) -> bool {
        ["params", "fields"].into_iter().all(|part| self.json[part] == other.json[part])
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
        assert!(!state.same_session(&StateDocument::read(&bytes).unwrap()));
    }
}
