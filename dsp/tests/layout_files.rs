//! Layout files of all formats: what is read, what is refused and how, and that what is written is read back.

use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use spherescope_dsp::array::{Capsule, MAX_NAME_CHARS, MicArray};
use spherescope_dsp::layout_file::{Import, LayoutFormat, MAX_LAYOUT_BYTES, import};
use spherescope_dsp::presets;

fn pair() -> MicArray {
    MicArray::new("pair", vec![Capsule::new(1, [0.01, 0.0, -0.02]), Capsule::new(0, [-0.01, 0.0, 0.0])]).unwrap()
}

#[test]
fn own_formats_are_read() {
    let json = r#"{"name": "pair", "capsules": [{"channel": 1, "x_m": 0.01, "y_m": 0, "z_m": -0.02},
        {"channel": 0, "x_m": -0.01, "y_m": 0.0, "z_m": 0.0}]}"#;
    assert_eq!(MicArray::from_text(json).unwrap(), pair());
    let csv = "channel,x_m,y_m,z_m\n# front\n1,0.01,0,-0.02\n\n0,-0.01,0,0\n";
    assert_eq!(MicArray::from_text(csv).unwrap().capsules(), pair().capsules());
}

#[test]
fn tables_are_read_in_any_unit_order_and_separator() {
    for csv in [
        "x_mm,y_mm,z_mm,channel\n10,0,-20,1\n-10,0,0,0\n",
        "\u{feff}Channel;X_cm;Y_cm;Z_cm\r\n1;1,0;0;-2\r\n0;-1;0;0\r\n",
        "channel\tx_m\ty_mm\tz_cm\n1\t0.01\t0\t-2\n0\t-1e-2\t0\t0\n",
        "\"channel\",\"x_m\",\"y_m\",\"z_m\"\n\"1\",\"0.01\",\"0\",\"-0.02\"\n0, -0.01, 0, 0\n",
        "# name: pair\nchannel,x_m,y_m,z_m,muted\n1,0.01,0,-0.02,0\n0,-0.01,0,0,\n",
    ] {
        assert_eq!(MicArray::from_text(csv).unwrap().capsules(), pair().capsules(), "{csv}");
    }
    // Without a channel column the rows are the channels.
    let array = MicArray::from_text("azimuth_deg,elevation_deg,radius_mm\n0,0,50\n90,0,50\n0,90,20\n").unwrap();
    for (i, expected) in [[0.05, 0.0, 0.0], [0.0, 0.05, 0.0], [0.0, 0.0, 0.02]].into_iter().enumerate() {
        let c = array.capsules()[i];
        assert_eq!(c.channel, i);
        assert!(near(c.position_m, expected), "{:?} {expected:?}", c.position_m);
    }
}

#[test]
fn layouts_of_other_programs_are_read() {
    let acoular = "\u{feff}<?xml version=\"1.1\" encoding=\"utf-8\"?><!DOCTYPE MicArray><MicArray name='a &lt;b&gt; &#38; &#xe4;'>\r\n\
        <!-- <pos x=\"9\" y=\"9\" z=\"9\"/> -->\r\n  <pos Name=\"Point 1\" x=\"0.021\" y=\"-0.063\" z=\"0.0\"/>\r\n\
        <pos z = '0' y='0.063' Name=\"a > b\" x='1e-1'></pos></MicArray>";
    let array = MicArray::from_text(acoular).unwrap();
    assert_eq!(array.name(), "a <b> & ä");
    assert_eq!(array.capsules(), [Capsule::new(0, [0.021, -0.063, 0.0]), Capsule::new(1, [0.1, 0.063, 0.0])]);

    for (layout, elements) in [("GenericLayout", "Elements"), ("LoudspeakerLayout", "Loudspeakers")] {
        let iem = format!(
            "{{\"Description\": \"x\", \"{layout}\": {{\"Name\": \"ring\", \"{elements}\": [\
             {{\"Azimuth\": 90, \"Elevation\": 0, \"Radius\": 0.05, \"IsImaginary\": false, \"Channel\": 3, \"Gain\": 0.0}},\
             {{\"Azimuth\": 0, \"Elevation\": -90, \"Radius\": 1, \"IsImaginary\": true, \"Channel\": 3, \"Gain\": 0}},\
             {{\"Azimuth\": 180.0, \"Elevation\": 0, \"Radius\": 1, \"IsImaginary\": false, \"Channel\": 1.0, \"Gain\": 1.0}}]}}}}"
        );
        let array = MicArray::from_text(&iem).unwrap();
        assert_eq!(array.name(), "ring");
        let c = array.capsules();
        assert_eq!((c.len(), c[0].channel, c[1].channel), (2, 2, 0));
        assert!(near(c[0].position_m, [0.0, 0.05, 0.0]) && near(c[1].position_m, [-1.0, 0.0, 0.0]));
    }
}

#[test]
fn directions_ask_for_the_radius() {
    let texts = [
        include_str!("layouts/iem-directions-only.json"),
        "azimuth_deg,elevation_deg\n45,35.264389682754654\n-45,-35.264389682754654\n135,-35.264389682754654\n\
         -135,35.264389682754654\n",
    ];
    for text in texts {
        let refusal = MicArray::from_text(text).unwrap_err().to_string();
        assert!(refusal.contains("directions only (of 4 capsules): give the radius"), "{refusal}");
        let Import::NeedsRadius(directions) = import(text).unwrap() else { panic!("a radius should be asked for") };
        let array = directions.with_radius_m(0.02).unwrap();
        assert_eq!(array.name(), directions.unit_sphere().name());
        for (found, expected) in
            array.capsules().iter().zip(presets::find("a-format-tetrahedron").unwrap().array.capsules())
        {
            assert_eq!(found.channel, expected.channel);
            assert!(found.position_m.iter().zip(expected.position_m).all(|(a, b)| (a - b).abs() < 1e-6));
        }
        for radius_m in [0.0, -0.02, f64::NAN, f64::INFINITY, 101.0, 1e-6] {
            assert!(directions.with_radius_m(radius_m).is_err(), "{radius_m}");
        }
    }
    // An array that is truly of 1 m says so in metres.
    let ring = MicArray::from_positions("1 m", &[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]]).unwrap();
    assert_eq!(MicArray::from_text(&ring.to_iem_json()).unwrap(), ring);
}

#[test]
fn broken_files_are_refused_with_line_expected_and_found() {
    for (file, text, message) in [
        (
            "iem-no-channel.json",
            include_str!("layouts/iem-no-channel.json"),
            "line 6: expected a whole Channel from 1 to 64, found none",
        ),
        (
            "iem-channel-zero.json",
            include_str!("layouts/iem-channel-zero.json"),
            "line 5: expected a whole Channel from 1 to 64, found 0",
        ),
        (
            "iem-one-direction-twice.json",
            include_str!("layouts/iem-one-direction-twice.json"),
            "line 6: capsule 1: expected a place of its own, found the same coordinates as capsule 0",
        ),
        (
            "json-trailing-comma.json",
            include_str!("layouts/json-trailing-comma.json"),
            "line 6: expected JSON, found an error at column 3: trailing comma",
        ),
        (
            "json-cut-off.json",
            include_str!("layouts/json-cut-off.json"),
            "line 5: expected the rest of the JSON, found the end of the text",
        ),
        (
            "json-millimetres.json",
            include_str!("layouts/json-millimetres.json"),
            "line 5: capsule 1: expected at most 100 m from the origin, found 150.000 m (coordinates are in metres)",
        ),
        (
            "csv-no-units.csv",
            include_str!("layouts/csv-no-units.csv"),
            "line 2: expected a header of `x_m,y_m,z_m` or `azimuth_deg,elevation_deg,radius_m` (lengths also in _cm, _mm), \
             `channel`, `muted`, found `x`",
        ),
        (
            "csv-short-row.csv",
            include_str!("layouts/csv-short-row.csv"),
            "line 3: expected 4 fields, found 3: `1;-10,5;0`",
        ),
        (
            "csv-not-a-number.csv",
            include_str!("layouts/csv-not-a-number.csv"),
            "line 3: expected a number for elevation_deg, found `up`",
        ),
        (
            "csv-mixed-columns.csv",
            include_str!("layouts/csv-mixed-columns.csv"),
            "line 1: expected all of x, y, z, or azimuth, elevation and radius, and not both, found the header \
             `x_m,y_m,azimuth_deg,elevation_deg`",
        ),
        (
            "xml-calibration.xml",
            include_str!("layouts/xml-calibration.xml"),
            "line 3: expected the attribute `x` in metres in `pos`, found Name, factor",
        ),
        (
            "xml-cut-off.xml",
            include_str!("layouts/xml-cut-off.xml"),
            "line 5: expected `</MicArray>`, found the end of the text",
        ),
        (
            "xml-no-quotes.xml",
            include_str!("layouts/xml-no-quotes.xml"),
            "line 2: expected a value in quotes for `x`, found `0.1 y=\"0\" z=\"0\"/>`",
        ),
        (
            "xml-web-page.html",
            include_str!("layouts/xml-web-page.html"),
            "expected elements such as `<pos Name=\"Point 1\" x=\"0.1\" y=\"0\" z=\"0\"/>`, found none",
        ),
    ] {
        assert_eq!(MicArray::from_text(text).unwrap_err().to_string(), message, "{file}");
    }
}

#[test]
fn small_faults_are_named() {
    for (text, parts) in [
        ("", &["expected a layout", "nothing"][..]),
        ("\u{feff} \r\n", &["expected a layout", "nothing"]),
        ("# only a comment", &["expected a header", "none"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,nope,0", &["line 3", "y_m", "nope"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0.1,NaN,0", &["line 3", "finite y", "NaN"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n1,1e999,0,0", &["line 3", "finite x", "inf"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n1,1e308,0,0", &["line 3", "100 m"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n1,0,0,0", &["line 3", "same coordinates"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n-1,1,0,0", &["line 3", "channel number from 0", "-1"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0\n99999999999999999999,1,0,0", &["line 3", "channel number"]),
        ("channel,x_m,y_m,z_m\n0,0,0,0", &["at least 2", "1"]),
        ("x_m,y_m,z_m,muted\n0,0,0,0\n0,1,0,maybe", &["line 3", "0 or 1", "maybe"]),
        ("x_m,y_m,z_m,x_mm\n", &["line 1", "every column once"]),
        ("azimuth_deg,elevation_deg,radius_m\n0,0,-1", &["line 2", "at least 0", "-1"]),
        ("azimuth_deg,elevation_deg,radius_m\n0,inf,1", &["line 2", "finite angles", "inf"]),
        ("{\"name\": \"a\"}", &["line 1", "`capsules`", "none"]),
        ("[\"a\", []]", &["line 1", "object", "list"]),
        ("{\"name\": \"a\\nb\", \"capsules\": []}", &["one line", "\\n"]),
        ("{\"name\": \"a\", \"capsules\": [\n{\"channel\": 0, \"x_m\": 0, \"y_m\": 0}]}", &["line 2", "z_m"]),
        (
            "{\"name\": \"a\", \"capsules\": [\n{\"channel\": 0, \"x_m\": \"0\", \"y_m\": 0}]}",
            &["line 2", "f64", "string"],
        ),
        (
            "{\"name\": \"a\", \"list\": [{}, {}], \"capsules\": [\n{\"channel\": 0, \"x_m\": 0, \"y_m\": 0, \"z_m\": 0},\n\
             {\"channel\": 0, \"x_m\": 1, \"y_m\": 0, \"z_m\": 0}]}",
            &["line 3", "channel 0"],
        ),
        ("{\"GenericLayout\": {}}", &["line 1", "`Elements`"]),
        ("{\"GenericLayout\": {\"Elements\": []}}", &["at least 2", "0"]),
        (
            "{\"GenericLayout\": {\"Elements\": [\n{\"Channel\": 1, \"Azimuth\": 0}]}}",
            &["line 2", "`Elevation`", "none"],
        ),
        ("{\"GenericLayout\": {\"Elements\": [\n{\"Channel\": 1, \"x_m\": 0}]}}", &["line 2", "x_m, y_m and z_m"]),
        (
            "{\"GenericLayout\": {\"Elements\": [\n{\"Azimuth\": 0, \"Elevation\": 0, \"Radius\": -1, \"Channel\": 1}]}}",
            &["line 2", "Radius", "-1"],
        ),
        ("<a>\n</b>", &["line 2", "`</a>`", "`</b>`"]),
        ("</a>", &["line 1", "no end tag", "`</a>`"]),
        ("<a>\n<!-- <pos x='1'/>", &["line 2", "`-->`"]),
        ("<a b>", &["`=` after `b`"]),
        ("< >", &["name of an element"]),
        ("<a><pos x='1' y='0' z='&nbsp;'/></a>", &["&amp;", "`&nbsp`"]),
        ("<a><pos x='1' y='0' z='1m'/></a>", &["number for z", "1m"]),
        ("<a><pos x='1' y='0' z='1' channel='x'/></a>", &["channel number", "`x`"]),
    ] {
        let message = MicArray::from_text(text).unwrap_err().to_string();
        for part in parts {
            assert!(message.contains(part), "{message:?} should mention {part:?}");
        }
    }
}

#[test]
fn hostile_texts_are_refused_quickly_and_briefly() {
    let nearly_all = |piece: &str| piece.repeat(MAX_LAYOUT_BYTES / piece.len() - 10);
    let million_capsules: String = (0..1_000_000).map(|i| format!("{i},0,0,{i}\n")).collect();
    for text in [
        format!("channel,x_m,y_m,z_m\n{million_capsules}"),
        format!("channel,x_m,y_m,z_m\n{}", &million_capsules[..1_000_000]),
        nearly_all(" "),
        nearly_all("["),
        nearly_all("{\"GenericLayout\":"),
        format!("{{\"name\": \"a\", \"x\": {}", nearly_all("[")),
        format!("{{\"name\": \"{}\", \"capsules\": []}}", nearly_all("a")),
        format!("{{\"name\": \"a\", \"capsules\": \"{}\"}}", nearly_all("a")),
        format!("{{\"GenericLayout\": {{\"Elements\": [{}{{}}]}}}}", nearly_all("{},")),
        nearly_all("<a>"),
        nearly_all("<a/>"),
        nearly_all("<a b='&amp;'/>\n"),
        nearly_all("<pos x='1' y='2' z='3'/>\n"),
        format!("<a {}/>", nearly_all("b='c' ")),
        format!("<a name='{}'/>", nearly_all("&")),
        nearly_all("<!---->"),
        nearly_all("a,"),
        nearly_all("x_m,y_m,z_m;"),
        nearly_all("# name: a\n"),
        nearly_all("ä"),
    ] {
        let start = Instant::now();
        let error = MicArray::from_text(&text).unwrap_err();
        assert!(start.elapsed() < Duration::from_secs(1), "{:?} for {:.40}…", start.elapsed(), text);
        assert!(error.message.len() < 500, "{error}");
    }
}

#[test]
fn formats_have_names_and_are_recognised() {
    assert_eq!(LayoutFormat::ALL.map(LayoutFormat::extension), ["json", "csv", "json", "xml"]);
    for preset in presets::all() {
        for format in LayoutFormat::ALL {
            let text = format.write(&preset.array);
            assert_eq!(LayoutFormat::recognise(&text), Some(format), "{format}");
            let back = MicArray::from_text(&text).unwrap();
            assert!(same(&back, &preset.array, format), "{format}: {} {back:?}", preset.id);
        }
    }
    // The name alone makes no format.
    let array = MicArray::from_positions("GenericLayout", &[[0.0; 3], [1.0, 0.0, 0.0]]).unwrap();
    assert_eq!(LayoutFormat::recognise(&array.to_json()), Some(LayoutFormat::Json));
}

fn near(a: [f64; 3], b: [f64; 3]) -> bool {
    a.iter().zip(b).all(|(a, b)| (a - b).abs() < 1e-9)
}

/// Whether an array came back as it was; acoular's files list capsules by channel.
fn same(found: &MicArray, expected: &MicArray, format: LayoutFormat) -> bool {
    let mut capsules = expected.capsules().to_vec();
    if format == LayoutFormat::AcoularXml {
        capsules.sort_by_key(|c| c.channel);
    }
    found.name() == expected.name()
        && found.capsules().len() == capsules.len()
        && found
            .capsules()
            .iter()
            .zip(capsules)
            .all(|(a, b)| (a.channel, a.muted) == (b.channel, b.muted) && near(a.position_m, b.position_m))
}

/// Arrays of 2 to 64 capsules on any channels, some muted, under any name.
fn arrays() -> impl Strategy<Value = MicArray> {
    let channels = Just((0..64).collect::<Vec<usize>>()).prop_shuffle();
    let capsule = (prop::array::uniform3(-5.0f64..5.0), prop::bool::weighted(0.2));
    (channels, prop::collection::vec(capsule, 2..=64), "\\PC{0,60}", prop::bool::ANY).prop_filter_map(
        "an array",
        |(channels, capsules, name, in_order)| {
            let capsules = capsules.into_iter().enumerate().map(|(i, (position_m, muted))| Capsule {
                channel: if in_order { i } else { channels[i] },
                position_m,
                muted,
            });
            MicArray::new(name, capsules.collect()).ok()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { rng_seed: RngSeed::Fixed(1), ..ProptestConfig::with_cases(128) })]

    #[test]
    fn written_arrays_are_read_back(array in arrays()) {
        for format in LayoutFormat::ALL {
            let text = format.write(&array);
            let back = MicArray::from_text(&text);
            prop_assert!(back.as_ref().is_ok_and(|b| same(b, &array, format)), "{format}: {back:?} of {text}");
            // Windows' line ends and a byte order mark change nothing.
            let windows = format!("\u{feff}{}", text.replace('\n', "\r\n"));
            prop_assert_eq!(MicArray::from_text(&windows), back);
        }
    }

    #[test]
    fn no_text_brings_the_reader_down(text in "\\PC*") {
        let _ = import(&text);
    }

    #[test]
    fn no_bytes_bring_the_reader_down(bytes in prop::collection::vec(any::<u8>(), 0..400), first in "[{<#\"x]?") {
        let _ = import(&format!("{first}{}", String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn almost_layouts_do_not_bring_the_reader_down(text in "[{}\\[\\]\":,;<>/=&#'!?a-z_0-9.\\-\\n ]{0,200}") {
        for start in [
            "{\"name\":\"x\",\"capsules\":[",
            "{\"GenericLayout\":{\"Elements\":[{",
            "channel,x_m,y_m,z_m\n",
            "azimuth_deg;elevation_deg\n",
            "<a><pos x='1' y='2' ",
            "<",
        ] {
            let _ = import(&format!("{start}{text}"));
        }
    }

    #[test]
    fn damaged_layouts_do_not_bring_the_reader_down(
        array in arrays(),
        wounds in prop::collection::vec((any::<prop::sample::Index>(), 0usize..20, "[{}\\[\\]\":,;<>/=&a-z_0-9.\\-\\n ]{0,4}"), 1..6),
    ) {
        for format in LayoutFormat::ALL {
            let mut text: Vec<char> = format.write(&array).chars().collect();
            for (place, cut, insert) in &wounds {
                let at = place.index(text.len() + 1);
                let end = (at + cut).min(text.len());
                text.splice(at..end, insert.chars());
            }
            let text: String = text.into_iter().collect();
            let start = Instant::now();
            if let Err(error) = import(&text) {
                prop_assert!(error.line.is_none_or(|l| l >= 1 && l <= text.lines().count() + 1), "{error}");
                prop_assert!(error.message.contains("expected") && error.message.len() < 500, "{error}");
            }
            prop_assert!(start.elapsed() < Duration::from_secs(1));
        }
    }
}

#[test]
fn names_have_limits() {
    let array = |name: &str| MicArray::from_positions(name, &[[0.0; 3], [1.0, 0.0, 0.0]]);
    assert!(array(&"ä".repeat(MAX_NAME_CHARS)).is_ok());
    assert!(array(&"a".repeat(MAX_NAME_CHARS + 1)).unwrap_err().to_string().contains("found 201"));
    assert!(array("a\tb").unwrap_err().to_string().contains("control"));
}

#[test]
fn examples_in_the_documentation_are_read() {
    let mut formats = Vec::new();
    for block in include_str!("../../docs/arrays.md").split("\n```").skip(1).step_by(2) {
        let (language, text) = block.split_once('\n').unwrap();
        let array = MicArray::from_text(text).unwrap_or_else(|e| panic!("{e} in {text}"));
        assert!(["json", "csv", "xml"].contains(&language));
        assert!([2, 3].contains(&array.active_len()));
        formats.push(LayoutFormat::recognise(text).unwrap());
    }
    assert!(LayoutFormat::ALL.iter().all(|f| formats.contains(f)), "{formats:?}");
}
