//! Memory: patterns written over most of it and looked at again, up and down, by all processors at once.
//!
//! Each sweep looks at what the one before it has written and writes the next pattern at once ("moving inversions"): a
//! cell that is changed by writing to its neighbour has another value when its turn comes. First each word holds its
//! own number, by which lines of the address that are stuck or short-circuited show.
//!
//! ```text
//!   up   down  up ...      number, ~number, number, 0, 1s, 0, 5s, As, 5s, noise, ~noise, noise
//! ```

use super::together;
use crate::controller::apply::fault::{Blame as _, Fault, Outcome};
use crate::controller::witness::{Meter, Witness};
use linux::memory::{Locked, available_bytes, controller_errors, physical_address};
use model::burn_in::rate_text;
use model::failure::{Failure, Result};
use model::hardware::size_text;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

/// Larger than any processor's cache, and small enough for the last bit of what is asked for to be reached.
const REGION_BYTES: usize = 64 << 20;

/// What words hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Pattern {
    /// Its own number.
    Number,
    /// The same in all words.
    Same(u64),
    /// Another one in each word; from this on.
    Noise(u64),
    /// Each bit of it turned.
    Turned(u64),
    /// Each bit of its own number turned.
    TurnedNumber,
}

impl Pattern {
    fn word(self, number: u64) -> u64 {
        match self {
            Pattern::Number => number,
            Pattern::TurnedNumber => !number,
            Pattern::Same(word) => word,
            Pattern::Noise(seed) => noise(seed.wrapping_add(number)),
            Pattern::Turned(seed) => !noise(seed.wrapping_add(number)),
        }
    }
}

/// The mixing step of SplitMix64: neighbours have nothing in common.
fn noise(number: u64) -> u64 {
    let mut word = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The patterns of a pass, in order.
fn patterns(pass: u32) -> [Pattern; 12] {
    const FIVES: u64 = 0x5555_5555_5555_5555;
    let seed = u64::from(pass) << 48;
    [
        Pattern::Number,
        Pattern::TurnedNumber,
        Pattern::Number,
        Pattern::Same(0),
        Pattern::Same(u64::MAX),
        Pattern::Same(0),
        Pattern::Same(FIVES),
        Pattern::Same(!FIVES),
        Pattern::Same(FIVES),
        Pattern::Noise(seed),
        Pattern::Turned(seed),
        Pattern::Noise(seed),
    ]
}

/// Which way a sweep goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    Up,
    Down,
}

/// One way through a region.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sweep {
    /// What must be there.
    checks: Option<Pattern>,
    /// What is there afterwards.
    writes: Option<Pattern>,
    way: Way,
}

fn sweeps(pass: u32) -> Vec<Sweep> {
    let patterns = patterns(pass);
    (0..=patterns.len())
        .map(|index| Sweep {
            checks: index.checked_sub(1).and_then(|before| patterns.get(before)).copied(),
            writes: patterns.get(index).copied(),
            way: if index % 3 == 2 { Way::Down } else { Way::Up },
        })
        .collect()
}

/// What was not as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fading {
    /// How many words.
    count: u64,
    /// What was written to the first of them, and what is there.
    wanted: u64,
    is: u64,
    /// Where it is in the machine, as far as that is known.
    physical: Option<u64>,
}

/// Goes through words, the first of which has the number `first`.
fn go(words: &mut [u64], first: u64, sweep: Sweep) -> Option<Fading> {
    let mut fading: Option<Fading> = None;
    let length = words.len();
    for step in 0..length {
        let at = if sweep.way == Way::Up { step } else { length - 1 - step };
        let number = first + at as u64;
        let word = &mut words[at];
        if let Some(wanted) = sweep.checks.map(|pattern| pattern.word(number))
            && *word != wanted
        {
            let found = Fading { count: 0, wanted, is: *word, physical: physical_address(word) };
            fading.get_or_insert(found).count += 1;
        }
        if let Some(pattern) = sweep.writes {
            *word = pattern.word(number);
        }
    }
    fading
}

impl Fading {
    fn fault(&self) -> Fault {
        let place = match self.physical {
            Some(address) => format!("the first at physical address {address:#x}"),
            None => "the kernel does not tell where".into(),
        };
        let bits: Vec<String> = (0..64)
            .filter(|bit| (self.wanted ^ self.is) >> bit & 1 == 1)
            .map(|bit| bit.to_string())
            .collect();
        let failure = Failure::new("the memory does not keep what is written to it")
            .because(format!("{} words are not as they were written, {place}", self.count))
            .because(format!(
                "there {:#018x} was written, and {:#018x} is read: bit {}",
                self.wanted,
                self.is,
                bits.join(", ")
            ))
            .hint("`dmidecode -t memory` in the shell shows which module has that address; change it");
        Fault { cause: "memory-faulty", failure }
    }
}

/// What all threads of a test share.
struct Shared<'a> {
    passes: u32,
    /// Regions that nobody has taken yet, and how many bytes are tested in all.
    left: AtomicU64,
    tested: AtomicU64,
    swept: AtomicU64,
    is_over: AtomicBool,
    meter: Meter<'a>,
}

/// Tests so much of what is free.
pub(super) fn test(percent: u32, passes: u32, step: usize, witness: &dyn Witness) -> Outcome<Vec<String>> {
    let root = Path::new("/");
    let free = available_bytes(root).blame("kernel-oom")?;
    let asked = free / 100 * u64::from(percent);
    let regions = (asked / REGION_BYTES as u64).max(1);
    let errors_before = controller_errors(root);
    let begun = Instant::now();
    let work = regions * REGION_BYTES as u64 * sweeps(0).len() as u64 * u64::from(passes);
    let shared = Shared {
        passes,
        left: AtomicU64::new(regions),
        tested: AtomicU64::new(0),
        swept: AtomicU64::new(0),
        is_over: AtomicBool::new(false),
        meter: Meter::start(witness, step, work),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = regions.div_ceil(threads as u64);
    let results = Mutex::new(Vec::new());
    let is_well = together(threads, &|_| {
        let result = work_on(&shared, share);
        results.lock().unwrap_or_else(PoisonError::into_inner).push(result);
    });
    if !is_well {
        return Err(Failure::new("a thread that tests the memory ended unexpectedly")).blame("kernel-oom");
    }
    let mut fadings = Vec::new();
    for result in results.into_inner().unwrap_or_else(PoisonError::into_inner) {
        fadings.extend(result.blame("kernel-oom")?);
    }
    if let Some(first) = fadings.iter().min_by_key(|fading| fading.physical) {
        let count = fadings.iter().map(|fading| fading.count).sum();
        return Err(Fading { count, ..first.clone() }.fault());
    }
    let errors = controller_errors(root).saturating_sub(errors_before);
    if errors > 0 {
        let failure = Failure::new("the memory's controller counts errors")
            .because(format!("{errors} while the memory was tested; what was read is right, so it mended them"))
            .hint("`grep . /sys/devices/system/edac/mc/mc*/dimm*/dimm_*` in the shell shows which module; change it");
        return Err(Fault { cause: "memory-faulty", failure });
    }
    let (tested, swept) = (shared.tested.into_inner(), shared.swept.into_inner());
    let rate = rate_text(swept, u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX));
    let times = if passes == 1 { "once".into() } else { format!("{passes} times") };
    Ok(vec![format!("memory: {} tested {times}, no error, {rate}", size_text(tested))])
}

/// One thread: takes its share of the memory, and goes over it until something is wrong somewhere.
fn work_on(shared: &Shared<'_>, share: u64) -> Result<Option<Fading>> {
    let mut regions = Vec::new();
    while regions.len() as u64 != share
        && shared.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
    {
        regions.push(Locked::of(REGION_BYTES)?);
    }
    shared.tested.fetch_add((regions.len() * REGION_BYTES) as u64, Ordering::Relaxed);
    for pass in 0..shared.passes {
        for sweep in sweeps(pass) {
            for (index, region) in regions.iter_mut().enumerate() {
                let words = region.words();
                let first = (index * words.len()) as u64;
                if shared.is_over.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                if let Some(fading) = go(words, first, sweep) {
                    shared.is_over.store(true, Ordering::Relaxed);
                    return Ok(Some(fading));
                }
                let swept = shared.swept.fetch_add(REGION_BYTES as u64, Ordering::Relaxed);
                shared.meter.at(swept + REGION_BYTES as u64);
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::witness::tests::Collector;
    use expect_test::expect;

    /// Every bit of a word must have been both, and every pattern be looked at.
    #[test]
    fn each_sweep_looks_at_what_the_one_before_wrote() {
        let sweeps = sweeps(3);
        assert_eq!((sweeps[0].checks, sweeps[sweeps.len() - 1].writes), (None, None));
        for pair in sweeps.windows(2) {
            assert_eq!(pair[0].writes, pair[1].checks);
        }
        for number in [0, 1, 77] {
            let written = || sweeps.iter().filter_map(|sweep| sweep.writes).map(|one| one.word(number));
            assert_eq!(
                (written().fold(0, |all, word| all | word), written().fold(!0, |all, word| all & word)),
                (u64::MAX, 0)
            );
        }
        assert!(sweeps.iter().any(|sweep| sweep.way == Way::Down));
        assert_ne!(patterns(0)[9].word(1), patterns(1)[9].word(1));
    }

    /// One bit of millions: that is what the test is for. It is provoked at each place of each kind of sweep.
    #[test]
    fn a_bit_that_fades_is_found() {
        let sweeps = sweeps(0);
        for (index, pair) in sweeps.windows(2).enumerate() {
            for at in [0, 511, 1023] {
                let mut words = vec![0; 1024];
                for sweep in &sweeps[..=index] {
                    assert_eq!(go(&mut words, 9000, *sweep), None);
                }
                words[at] ^= 1 << 18;
                let fading = go(&mut words, 9000, pair[1]).unwrap();
                assert_eq!((fading.count, fading.wanted ^ fading.is), (1, 1 << 18), "{index} {at}");
            }
        }
    }

    /// Two addresses that lead to the same cell.
    #[test]
    fn an_address_that_is_short_circuited_is_found() {
        let mut words = vec![0; 1024];
        let sweeps = sweeps(0);
        assert_eq!(go(&mut words, 0, sweeps[0]), None);
        words.copy_within(0..512, 512);
        assert_eq!(go(&mut words, 0, sweeps[1]).unwrap().count, 512);
    }

    /// Whoever reads this holds a screwdriver: which module, and that it is the memory.
    #[test]
    fn what_faded_is_said() {
        let wanted = 0x5555_5555_5555_5555;
        let fading = Fading { count: 3, wanted, is: wanted ^ (1 << 18), physical: Some(0x1_0a2b_3018) };
        let fault = fading.fault();
        assert_eq!(fault.cause, "memory-faulty");
        expect![[r#"
            error: the memory does not keep what is written to it
            because: 3 words are not as they were written, the first at physical address 0x10a2b3018
            because: there 0x5555555555555555 was written, and 0x5555555555515555 is read: bit 18
            hint: `dmidecode -t memory` in the shell shows which module has that address; change it"#]]
        .assert_eq(&fault.failure.report());
        let unknown = Fading { physical: None, ..fading }.fault().failure.report();
        assert!(unknown.contains("written, the kernel does not tell where"), "{unknown}");
    }

    /// The whole test on this machine's own memory, a hundredth of what is free.
    #[test]
    fn sound_memory_passes() {
        let collector = Collector::default();
        let found = test(1, 1, 1, &collector).unwrap();
        assert!(
            found[0].starts_with("memory: ") && found[0].contains(" tested once, no error, "),
            "{found:?}"
        );
        assert!(!collector.events.lock().unwrap().is_empty());
    }
}
