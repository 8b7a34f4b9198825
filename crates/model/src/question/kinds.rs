//! What counts for the kinds of question that are more than a line of text, and how it is kept.

use super::{LONGEST_TEXT, chosen};
use crate::address::Network;
use regex_lite::{Regex, RegexBuilder};
use std::net::IpAddr;
use wire::mac::Mac;

/// Largest compiled regular expression, in octets: it runs on a box, and lines are written by people.
const LARGEST_PATTERN: usize = 256 * 1024;

/// Some of the choices, by names or numbers with commas or spaces between them; nothing typed is none of them.
pub(super) fn several(choices: &[String], min: u64, max: Option<u64>, typed: &str) -> Result<String, String> {
    let mut taken = vec![false; choices.len()];
    let mut rest: Vec<&str> = Vec::new();
    // Names may have spaces in them, so commas divide first and spaces only what is no name.
    for part in typed.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        match chosen(choices, part) {
            Some(_) => rest.push(part),
            None => rest.extend(part.split_whitespace()),
        }
    }
    for word in rest {
        let Some(found) = chosen(choices, word).and_then(|one| choices.iter().position(|all| all == one))
        else {
            return Err(format!(
                "`{}` is none of {}; names or numbers (1 to {}) with commas between them",
                word.escape_debug(),
                choices.join(", "),
                choices.len()
            ));
        };
        taken[found] = true;
    }
    let kept: Vec<&str> =
        choices.iter().zip(&taken).filter(|(_, taken)| **taken).map(|(choice, _)| choice.as_str()).collect();
    let count = kept.len() as u64;
    match max {
        _ if count < min => Err(format!("{count} chosen; the fewest is {min}")),
        Some(max) if count > max => Err(format!("{count} chosen; the most is {max}")),
        _ => Ok(kept.join(",")),
    }
}

pub(super) fn number(min: u64, max: Option<u64>, typed: &str) -> Result<String, String> {
    let range = match max {
        Some(max) => format!("between {min} and {max}"),
        None if min > 0 => format!("at least {min}"),
        None => "0 or more".into(),
    };
    if typed.is_empty() || !typed.bytes().all(|octet| octet.is_ascii_digit()) {
        return Err(format!("a whole number is needed, {range}, digits only"));
    }
    match typed.parse::<u64>() {
        Ok(number) if number >= min && max.is_none_or(|max| number <= max) => Ok(number.to_string()),
        Ok(number) => Err(format!("{number} is out of range; it has to be {range}")),
        Err(_) => Err(format!("the number is too large; it has to be {range}")),
    }
}

pub(super) fn ip(within: Option<&str>, typed: &str) -> Result<String, String> {
    let address: IpAddr = typed.parse().map_err(|_| match typed.contains('/') {
        true => "only the address is wanted here, without `/` and what follows it".to_owned(),
        false => "an address is four numbers from 0 to 255 with dots between them, or IPv6".to_owned(),
    })?;
    lies(address, within)?;
    Ok(address.to_string())
}

pub(super) fn cidr(within: Option<&str>, typed: &str) -> Result<String, String> {
    let network: Network = typed.parse().map_err(str::to_owned)?;
    lies(network.address, within)?;
    Ok(network.to_string())
}

fn lies(address: IpAddr, within: Option<&str>) -> Result<(), String> {
    match within.map(|text| (text, text.parse::<Network>())) {
        Some((text, Ok(network))) if !network.has(address) => Err(format!("{address} is not in {text}")),
        _ => Ok(()),
    }
}

pub(super) fn mac(typed: &str) -> Result<String, String> {
    typed
        .trim()
        .parse::<Mac>()
        .map(|mac| mac.to_string())
        .map_err(|_| "six pairs of hex digits, like 52:54:00:12:34:56".into())
}

/// What scanners send besides the code: an AIM symbology identifier (ISO/IEC 15424: `]C1`) where one is set up
/// to, spaces of wide codes, control characters as prefix or suffix.
pub(super) fn asset_tag(pattern: Option<&str>, typed: &str) -> Result<String, String> {
    let bare = typed.trim_matches(|c: char| c.is_control() || c.is_whitespace());
    let bare = match bare.as_bytes() {
        [b']', letter, digit, ..] if letter.is_ascii_alphabetic() && digit.is_ascii_digit() => &bare[3..],
        _ => bare,
    };
    if bare.is_empty() {
        return Err("scan the tag, or type what stands on it".into());
    }
    if let Some(bad) = bare.chars().find(|c| !c.is_ascii_graphic()) {
        let shown = if bad == ' ' { "a space".to_owned() } else { format!("U+{:04X}", u32::from(bad)) };
        return Err(format!("there is {shown} in it; was it scanned whole and once"));
    }
    if bare.len() > LONGEST_TEXT {
        return Err(format!("it has {} characters; the most is {LONGEST_TEXT}", bare.len()));
    }
    if let Some(pattern) = pattern {
        fits(pattern, None, bare)?;
    }
    Ok(bare.to_owned())
}

/// Whether `typed` fits the pattern from its first character to its last.
pub(super) fn fits(pattern: &str, example: Option<&str>, typed: &str) -> Result<(), String> {
    let regex = compile(pattern)?;
    match (regex.is_match(typed), example) {
        (true, _) => Ok(()),
        (false, Some(example)) => Err(format!("it does not fit the pattern; for example `{example}`")),
        (false, None) => Err(format!("it does not fit the pattern `{pattern}`")),
    }
}

pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    // Alone first: with a group around it, `a)(b` would be one.
    let build = |text: &str| RegexBuilder::new(text).size_limit(LARGEST_PATTERN).build();
    build(pattern)
        .and_then(|_| build(&format!(r"\A(?:{pattern})\z")))
        .map_err(|error| format!("it is no regular expression: {error}"))
}

#[cfg(test)]
mod tests {
    use super::super::{Answer, Kind, Question, check};
    use expect_test::{Expect, expect};
    use proptest::prelude::*;

    fn ask(kind: &str) -> Question {
        let kind: serde_json::Value = serde_json::from_str(kind).unwrap();
        let mut question = serde_json::json!({ "id": "q", "ask": "Q" });
        question.as_object_mut().unwrap().extend(kind.as_object().unwrap().clone());
        serde_json::from_value(question).unwrap()
    }

    #[track_caller]
    fn answer(kind: &str, typed: &str, expected: Expect) {
        expected.assert_eq(&match check(&ask(kind), typed) {
            Ok(Answer::Plain(answer)) => format!("= {answer}"),
            Ok(Answer::Secret(_)) => "(secret)".into(),
            Err(why) => why,
        });
    }

    /// Numbers are ports, VLANs, rack units: one out of range is a box that does not answer.
    #[test]
    fn numbers() {
        let vlan = r#"{"type":"number","min":1,"max":4094}"#;
        answer(vlan, " 0042 ", expect!["= 42"]);
        answer(vlan, "4095", expect!["4095 is out of range; it has to be between 1 and 4094"]);
        answer(vlan, "12a", expect!["a whole number is needed, between 1 and 4094, digits only"]);
        answer(
            vlan,
            "99999999999999999999",
            expect!["the number is too large; it has to be between 1 and 4094"],
        );
        answer(r#"{"type":"number"}"#, "-1", expect!["a whole number is needed, 0 or more, digits only"]);
        answer(r#"{"type":"number","min":3}"#, "2", expect!["2 is out of range; it has to be at least 3"]);
    }

    /// Addresses are kept in one spelling, so that rules can compare them.
    #[test]
    fn addresses() {
        let ip = r#"{"type":"ip","within":"10.0.0.0/8"}"#;
        answer(ip, "10.1.2.3", expect!["= 10.1.2.3"]);
        answer(ip, "192.168.0.1", expect!["192.168.0.1 is not in 10.0.0.0/8"]);
        answer(
            ip,
            "10.1.2.3/24",
            expect!["only the address is wanted here, without `/` and what follows it"],
        );
        answer(
            ip,
            "10.1.2",
            expect!["an address is four numbers from 0 to 255 with dots between them, or IPv6"],
        );
        answer(r#"{"type":"ip"}"#, "FD00:0:0::1", expect!["= fd00::1"]);
        let cidr = r#"{"type":"cidr"}"#;
        answer(cidr, "10.1.2.3/24", expect!["= 10.1.2.3/24"]);
        answer(cidr, "10.1.2.3", expect!["the prefix length is missing: `10.0.0.5/24`"]);
        answer(cidr, "10.1.2.3/40", expect!["the prefix length is a number from 0 to 32"]);
        answer(r#"{"type":"mac"}"#, "52-54-00-AB-CD-EF", expect!["= 52:54:00:ab:cd:ef"]);
        answer(r#"{"type":"mac"}"#, "52-54-00", expect!["six pairs of hex digits, like 52:54:00:12:34:56"]);
    }

    /// Several choices are kept in the order of the line, so that the same choice is the same text.
    #[test]
    fn several_choices() {
        let roles = r#"{"type":"multi-choice","choices":["web","data base","mail"],"min":1,"max":2}"#;
        answer(roles, "mail, web", expect!["= web,mail"]);
        answer(roles, "3 1", expect!["= web,mail"]);
        answer(roles, "Data Base", expect!["= data base"]);
        answer(roles, "", expect!["0 chosen; the fewest is 1"]);
        answer(roles, "1,2,3", expect!["3 chosen; the most is 2"]);
        answer(
            roles,
            "web, ftp",
            expect![
                "`ftp` is none of web, data base, mail; names or numbers (1 to 3) with commas between them"
            ],
        );
        answer(r#"{"type":"multi-choice","choices":["web"]}"#, "", expect!["= "]);
    }

    /// A tag is typed by a machine: what it sends around the code is not part of it.
    #[test]
    fn patterns_and_asset_tags() {
        let rack = r#"{"type":"pattern","pattern":"[A-Z]{2}[0-9]{3}","example":"BE042"}"#;
        answer(rack, "OS123", expect!["= OS123"]);
        answer(rack, "xOS1234", expect!["it does not fit the pattern; for example `BE042`"]);
        let tag = r#"{"type":"asset-tag","pattern":"A[0-9]+|B"}"#;
        answer(tag, "A0017", expect!["= A0017"]);
        answer(tag, "]C1A0017\t", expect!["= A0017"]);
        answer(tag, "A0017B", expect!["it does not fit the pattern `A[0-9]+|B`"]);
        answer(tag, "", expect!["scan the tag, or type what stands on it"]);
        answer(tag, "A1 A2", expect!["there is a space in it; was it scanned whole and once"]);
        assert!(super::super::pattern("a)(b").is_err() && super::super::pattern("(").is_err());
    }

    proptest! {
        /// Scanners, scripts and people send anything; what is taken would be taken again as it is kept.
        #[test]
        fn what_is_kept_counts_again(typed in any::<String>(), number in any::<u64>()) {
            let kinds = [
                Kind::MultiChoice { choices: vec!["a".into(), "b c".into()], min: 0, max: None },
                Kind::Number { min: 0, max: None },
                Kind::Ip { within: None },
                Kind::Cidr { within: None },
                Kind::Mac,
                Kind::AssetTag { pattern: None },
            ];
            for kind in kinds {
                for typed in [typed.clone(), number.to_string(), format!("a,{typed}")] {
                    let question = Question { kind: kind.clone(), ..ask(r#"{"type":"text"}"#) };
                    if let Ok(Answer::Plain(kept)) = check(&question, &typed) {
                        prop_assert_eq!(check(&question, &kept), Ok(Answer::Plain(kept)));
                    }
                }
            }
        }
    }
}
