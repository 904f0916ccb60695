//! Numbers as people read them: a true minus sign, a sign on every angle, groups of thousands.

use spherescope_dsp::Direction;

/// A whole number of degrees with its sign: "+32°", "−5°", "0°".
pub(crate) fn degrees(value: f64) -> String {
    match value.round() as i64 {
        0 => "0°".into(),
        v if v < 0 => format!("−{}°", -v),
        v => format!("+{v}°"),
    }
}

/// Azimuth and elevation: "az +32°  el −5°".
pub(crate) fn angles(d: &Direction) -> String {
    format!("az {}  el {}", degrees(d.azimuth_deg()), degrees(d.elevation_deg()))
}

/// A score with two decimals, or a dash for what is no number.
pub(crate) fn score(value: f32) -> String {
    if value.is_finite() { format!("{value:.2}") } else { "–".into() }
}

/// A number with fixed decimals and a true minus sign.
pub(crate) fn fixed(value: f64, decimals: usize) -> String {
    let text = format!("{:.decimals$}", value.abs());
    let is_zero = text.bytes().all(|b| matches!(b, b'0' | b'.'));
    if value < 0.0 && !is_zero { format!("−{text}") } else { text }
}

/// A level: "−60 dBFS", "−∞ dBFS".
pub(crate) fn level(db: f32) -> String {
    if db.is_finite() { format!("{} dBFS", fixed(db.into(), 0)) } else { "−∞ dBFS".into() }
}

/// A count in groups of three: "16 384", with a narrow space that does not break.
pub(crate) fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut out = String::new();
    for (i, c) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) && digits.len() > 4 {
            out.push('\u{202f}');
        }
        out.push(c);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_well() {
        assert_eq!([degrees(31.6), degrees(-0.2), degrees(-90.0)], ["+32°", "0°", "−90°"]);
        assert_eq!([fixed(-0.04, 1), fixed(-1.25, 1), fixed(3.0, 0)], ["0.0", "−1.2", "3"]);
        assert_eq!([level(-60.0), level(f32::NEG_INFINITY)], ["−60 dBFS", "−∞ dBFS"]);
        assert_eq!([count(2048), count(16384)], ["2048", "16\u{202f}384"]);
        assert_eq!(score(f32::NAN), "–");
    }
}
