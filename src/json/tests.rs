use super::*;
use alloc::string::ToString as _;
use core::fmt;
use proptest::prelude::*;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
        Ok(Json::Flag(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
        Ok(Json::Whole(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
        Ok(Json::Negative(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
        Ok(Json::Real(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Json, E> {
        Ok(Json::Text(value.into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Json, A::Error> {
        let mut all = Vec::new();
        while let Some(one) = list.next_element()? {
            all.push(one);
        }
        Ok(Json::List(all))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Json, A::Error> {
        let mut all = Vec::new();
        while let Some(key) = map.next_key::<String>()? {
            all.push((key, map.next_value()?));
        }
        Ok(Json::Object(all))
    }
}

#[test]
fn keys_keep_their_order_and_their_repetitions() {
    let document = Json::open(br#"{ "b": 1, "a": -2, "b": 1.5 }"#).unwrap();
    let expected = [("b", Json::Whole(1)), ("a", Json::Negative(-2)), ("b", Json::Real(1.5))];
    assert_eq!(document, Json::Object(expected.map(|(key, value)| (key.to_string(), value)).into()));
}

#[test]
fn a_key_is_missing_unknown_twice_or_of_another_type() {
    let fault = |text: &str, read: fn(Place<'_>) -> bool| {
        let (document, faults) = (Json::open(text.as_bytes()).unwrap(), Faults::default());
        assert!(read(document.read(&faults)), "what cannot be read is empty");
        faults.close()
    };
    let read: [fn(Place<'_>) -> bool; 7] = [
        |place| place.key("a").text().is_empty(),
        |place| place.only(&["a"]).is_given(),
        |place| place.only(&[]).is_given(),
        |place| place.key("a").given().is_none(),
        |place| place.whole(7) == 0,
        |place| place.text().is_empty(),
        |place| place.len() == 0,
    ];
    assert_eq!(fault("{}", read[0]), Err(Fault::Missing("a")));
    assert_eq!(fault(r#"{ "a": 1, "a": 1 }"#, read[1]), Err(Fault::Twice));
    assert_eq!(fault(r#"{ "a": 1 }"#, read[2]), Err(Fault::Unknown));
    assert_eq!(fault(r#"{ "a": null }"#, read[3]), Ok(()));
    let said = fault("8", read[4]).unwrap_err().told();
    assert_eq!(said, "a value is not a whole number of 0 or more, in its range");
    assert!(fault("1", read[5]).is_err() && fault("1", read[6]).is_err());
}

#[test]
fn a_document_is_written_as_it_was_read() {
    let text = r#"{"b":[null,true,1,-2,0.1,"\"知\n"],"a":{}}"#;
    assert_eq!(Json::open(text.as_bytes()).unwrap().write(), text);
    assert_eq!(Json::List([Json::number_or_null(Some(f64::NAN))].to_vec()).write(), "[null]");
}

#[test]
fn what_is_no_json_is_refused_with_its_place() {
    assert_eq!(Json::open(b"{\n\"a\": }").unwrap_err().told(), "no JSON, at line 2 column 6");
    assert!(Json::open(b"1 2").is_err() && Json::open(b"").is_err() && Json::open(b"\"\xff\"").is_err());
    assert!(Json::open("[".repeat(129).as_bytes()).is_err());
}

proptest! {
    // Nothing is kept between runs: what failed is printed, seed and all.
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(3000) })]

    #[test]
    fn every_text_is_read_or_refused_as_the_library_does(parts in proptest::collection::vec(part(), 0..14)) {
        let text = parts.concat();
        let wanted = serde_json::from_slice::<Json>(&text).ok();
        prop_assert_eq!(Json::open(&text).ok(), wanted, "{:?}", alloc::string::String::from_utf8_lossy(&text));
    }

    #[test]
    fn every_written_number_is_read_as_the_library_does(bits in any::<u64>(), exponent in -22i32..=22, digits in "[0-9]{0,24}") {
        let small = f64::from(f32::from_bits(bits.to_le_bytes()[0].into()));
        for text in [
            bits.to_string(), bits.cast_signed().to_string(), alloc::format!("-{bits}"), alloc::format!("1{digits}"),
            alloc::format!("{}.5{digits}", bits >> 40), alloc::format!("{bits}e{exponent}"), alloc::format!("-0.{digits}1E{exponent:+}"),
            alloc::format!("{}", f64::from(bits.to_le_bytes()[7]) / 1000.0), alloc::format!("{small:e}"),
        ] {
            let read = Json::open(text.as_bytes()).ok();
            let wanted = serde_json::from_str::<Json>(&text).ok();
            match (&read, &wanted) {
                // Powers of ten past 10^22 are made in steps, not looked up.
                (Some(Json::Real(ours)), Some(Json::Real(theirs))) if far(&text) => {
                    prop_assert!((ours - theirs).abs() <= theirs.abs() * 1e-15, "{text}: {ours:e} {theirs:e}");
                }
                _ => prop_assert_eq!(read, wanted, "{}", text),
            }
        }
    }
}

/// Whether a number may have more than 22 digits before or behind its point once its exponent is written out.
fn far(text: &str) -> bool {
    let power = text.split(['e', 'E']).nth(1).and_then(|power| power.parse::<i32>().ok()).unwrap_or_default();
    text.len().saturating_add(usize::try_from(power.unsigned_abs()).unwrap_or(usize::MAX)) > 22
}

/// A part of a document, or of something that is nearly one.
fn part() -> impl Strategy<Value = Vec<u8>> {
    let parts: &[&str] = &[
        "[",
        "]",
        "{",
        "}",
        ",",
        ":",
        " ",
        "\n",
        "\"",
        "\"a\"",
        "\"a\":",
        "\"\\n\"",
        "\"\\u00e9\"",
        "\"\\ud83d\\ude00\"",
        "\"\\ud83d\"",
        "\"\\ud83d\\u0041\"",
        "\"\\ude00\"",
        "\"\\x\"",
        "\"知\"",
        "\u{0}",
        "\"\t\"",
        "null",
        "true",
        "false",
        "nul",
        "0",
        "-0",
        "-1",
        "01",
        "1.",
        ".5",
        "0.25",
        "1e3 ",
        "2E-2 ",
        "1e",
        "-",
        "18446744073709551615 ",
        "18446744073709551616 ",
        "184467440737095516190 ",
        "184467440737095516190.0 ",
        "-9223372036854775808 ",
        "-9223372036854775809 ",
        "\u{feff}",
        "[1,2]",
        "{\"b\":[]}",
    ];
    let texts = proptest::sample::select(parts.to_vec()).prop_map(|text| text.as_bytes().to_vec());
    prop_oneof![9 => texts, 1 => any::<u8>().prop_map(|byte| [byte].to_vec())]
}

#[test]
fn nesting_ends_where_that_of_the_library_does() {
    for depth in [1, 127, 128, 129, 100_000] {
        let text = ["[".repeat(depth), "]".repeat(depth)].concat();
        assert_eq!(Json::open(text.as_bytes()).is_ok(), depth <= 127, "{depth}");
        assert_eq!(serde_json::from_str::<Json>(&text).is_ok(), depth <= 127, "{depth}");
    }
    for text in ["1e308", "1e309", "-1e400", "1e-400", "0e99999999999999999999", "5e-324", "1e99999999999999999999"] {
        assert_eq!(Json::open(text.as_bytes()).is_ok(), serde_json::from_str::<Json>(text).is_ok(), "{text}");
    }
}
