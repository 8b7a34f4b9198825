//! The catalogue against itself, and against the ids that the rest of the program uses.

use super::{Kind, Look, all, find, nearest};
use crate::ladder::LADDER;
use std::collections::BTreeSet;

/// A page with a hole is found by the person who needs what should stand there.
#[test]
fn every_page_is_whole() {
    let mut broken = Vec::new();
    let mut ids = BTreeSet::new();
    for (_, cause) in all() {
        let mut owes = |what: &str| broken.push(format!("{}: {what}", cause.id));
        if !ids.insert(cause.id) {
            owes("stands twice");
        }
        if !cause.sentence.ends_with('.') || cause.sentence.len() < 30 {
            owes("its sentence is none");
        }
        if cause.fixes.is_empty() {
            owes("nothing to do");
        }
        if cause.sources.is_empty() {
            owes("learned from nowhere");
        }
        if cause.decide.is_empty() && cause.kind == Kind::Root {
            owes("nothing decides where the log does not");
        }
        for id in cause.hides {
            if find(id).is_none() {
                owes(&format!("hides {id}, which is no cause"));
            }
        }
        for sign in cause.signs() {
            if let Look::Ipxe(code) = sign.line
                && crate::diagnosis::ipxe_words(code).is_none()
            {
                owes(&format!("iPXE code {code} has no words"));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

/// A suspect without a page is a name that nobody can look up.
#[test]
fn every_suspect_of_the_ladder_has_a_page() {
    let suspects = LADDER.iter().flat_map(|rung| rung.suspects);
    let unknown: Vec<&&str> = suspects.filter(|id| find(id).is_none()).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}

/// Whoever types an id from memory gets the one that was meant.
#[test]
fn near_names_are_found() {
    assert_eq!(nearest("nic-driver-mising").first(), Some(&"nic-driver-missing"));
    assert_eq!(nearest("NIC-DRIVER-MISSING").first(), Some(&"nic-driver-missing"));
    assert!(nearest("driver").contains(&"nic-driver-missing"));
    assert!(nearest("xyzzy-plugh").is_empty());
}
