//! The signatures, each with the rule that recognises it, by how far a box had come. The order matters: what is more
//! particular stands before what is more general, and the first rule that applies speaks.

use super::finding::{Finding, Rule, found};
use super::seen::File;

macro_rules! rule {
    ($id:literal, $seen:literal, [$($cause:literal),+], $next:literal, $applies:expr) => {
        Rule {
            signature: Signature { id: $id, seen: $seen, causes: &[$($cause),+], next: $next },
            applies: $applies,
        }
    };
}

mod address;
mod again;
mod controller;
mod initrd;
mod kernel;
mod loader;

/// Groups of rules in the order in which they are tried.
const ORDER: [&[Rule]; 6] =
    [again::RULES, address::RULES, loader::RULES, kernel::RULES, initrd::RULES, controller::RULES];

/// All of them, in the order in which they are tried.
pub(super) fn all() -> impl Iterator<Item = &'static Rule> {
    ORDER.into_iter().flatten()
}

fn name(file: &File) -> Option<Finding> {
    found([match file.cut {
        Some(_) => format!("it asked for {}", file.name),
        None => format!("{} went over whole, {} bytes", file.name, file.bytes),
    }])
}
