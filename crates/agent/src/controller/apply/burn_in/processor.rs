//! Processors: each of them computes, by itself, what is known beforehand, and sensors are looked at meanwhile.
//!
//! Three computations in turn, since a fault may show in one part of a processor only: a chain of digests, the
//! Lucas-Lehmer test of a prime, whose last number is zero, and a series of fractions that doubles each error.

use super::together;
use crate::controller::apply::fault::{Fault, Outcome};
use crate::controller::witness::{Meter, Witness};
use crate::digest::Sha256;
use linux::sensors::{Sensor, is_virtual, temperatures};
use model::failure::Failure;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How often sensors are looked at.
const PACE: Duration = Duration::from_millis(500);

/// How many digests a chain has, each of the one before it, from 32 octets of zero on; and how its last one begins.
const CHAIN: u32 = 4096;
const CHAIN_ENDS: u64 = 0xf34f_ce81_c22c_d52b;
/// 2^2203-1 is a prime (Robinson 1952).
const EXPONENT: usize = 2203;
/// The logistic map at 3.99: how often, and the bits of what comes out by IEEE 754.
const FRACTIONS: u32 = 100_000;
const FRACTION_ENDS: u64 = 0x3fe3_0109_ffab_e3d9;

fn chain() -> u64 {
    let mut digest = [0; 32];
    for _ in 0..CHAIN {
        digest = Sha256::digest(digest);
    }
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h])
}

fn fractions() -> u64 {
    let mut fraction = std::hint::black_box(0.5_f64);
    for _ in 0..FRACTIONS {
        fraction = 3.99 * fraction * (1.0 - fraction);
    }
    fraction.to_bits()
}

/// Whether 2^`exponent`-1 is a prime, by Lucas and Lehmer; the exponent is a prime.
fn is_mersenne_prime(exponent: usize) -> bool {
    let limbs = exponent.div_ceil(64);
    let mut number = vec![0; limbs];
    number[0] = 4;
    for _ in 2..exponent {
        number = squared_less_two(&number, exponent);
    }
    // All ones is 2^p-1, which is nothing, too.
    let top = u64::MAX >> (limbs * 64 - exponent);
    let is_full = number[limbs - 1] == top && number[..limbs - 1].iter().all(|limb| *limb == u64::MAX);
    is_full || number.iter().all(|limb| *limb == 0)
}

/// n² - 2 modulo 2^`exponent`-1.
fn squared_less_two(number: &[u64], exponent: usize) -> Vec<u64> {
    let limbs = number.len();
    let mut product = vec![0_u64; 2 * limbs + 1];
    for (low, left) in number.iter().enumerate() {
        let mut carry = 0;
        for (high, right) in number.iter().enumerate() {
            let sum = u128::from(*left) * u128::from(*right) + u128::from(product[low + high]) + carry;
            product[low + high] = sum as u64;
            carry = sum >> 64;
        }
        product[low + limbs] = carry as u64;
    }
    // 2^p is 1: what is above it is added below, until nothing is.
    let (whole, bits) = (exponent / 64, exponent % 64);
    let mut low = fold(&product, whole, bits, limbs);
    low = fold(&low, whole, bits, limbs);
    // Less two; below zero it begins again at 2^p-1.
    let mut borrow = 2;
    for limb in low.iter_mut().take(limbs) {
        let (less, is_below) = limb.overflowing_sub(borrow);
        (*limb, borrow) = (less, u64::from(is_below));
    }
    low.truncate(limbs);
    if borrow == 1 {
        // 2^(64 limbs) was borrowed, and 2^p-1 was meant.
        low[whole] &= (1 << bits) - 1;
        let mut borrow = 1;
        for limb in &mut low {
            let (less, is_below) = limb.overflowing_sub(borrow);
            (*limb, borrow) = (less, u64::from(is_below));
        }
    }
    low
}

/// What is below 2^p and what is above it, in one sum with room for a carry.
fn fold(number: &[u64], whole: usize, bits: usize, limbs: usize) -> Vec<u64> {
    let limb = |at: usize| number.get(at).copied().unwrap_or_default();
    let mut sum = Vec::with_capacity(limbs + 1);
    let mut carry = false;
    for at in 0..=limbs {
        let low = match at {
            _ if at < whole => limb(at),
            _ if at == whole => limb(at) & ((1 << bits) - 1),
            _ => 0,
        };
        let high = limb(whole + at) >> bits | limb(whole + at + 1) << (64 - bits);
        let (first, one) = low.overflowing_add(high);
        let (second, two) = first.overflowing_add(u64::from(carry));
        carry = one || two;
        sum.push(second);
    }
    sum
}

/// What a processor computed wrongly.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Wrong {
    processor: usize,
    what: &'static str,
}

fn round(processor: usize) -> Result<(), Wrong> {
    let wrong = |what| Err(Wrong { processor, what });
    if chain() != CHAIN_ENDS {
        return wrong("a chain of digests");
    }
    if !is_mersenne_prime(EXPONENT) {
        return wrong("the Lucas-Lehmer test of 2^2203-1");
    }
    if fractions() != FRACTION_ENDS {
        return wrong("a series of fractions");
    }
    Ok(())
}

/// The hottest that each sensor was.
#[derive(Debug, Default)]
struct Heat(Vec<Sensor>);

impl Heat {
    fn take(&mut self, sensors: Vec<Sensor>) {
        for sensor in sensors {
            match self.0.iter_mut().find(|known| known.name == sensor.name) {
                Some(known) => known.celsius = known.celsius.max(sensor.celsius),
                None => self.0.push(sensor),
            }
        }
    }

    /// What got hotter than it may: by the line's limit in processors, else by what the sensor itself calls critical.
    fn excess(&self, hottest: Option<u32>) -> Vec<String> {
        let limit = |sensor: &Sensor| hottest.filter(|_| sensor.is_processor).or(sensor.critical);
        let over = |sensor: &Sensor| {
            let limit = limit(sensor)?;
            (sensor.celsius > limit)
                .then(|| format!("{} showed {} C, and may show {limit} C", sensor.name, sensor.celsius))
        };
        self.0.iter().filter_map(over).collect()
    }

    fn words(&self, hottest: Option<u32>) -> String {
        let inside = self.0.iter().filter(|sensor| sensor.is_processor);
        match inside.max_by_key(|sensor| sensor.celsius) {
            Some(sensor) => format!("{} at {} C", sensor.name, sensor.celsius),
            None => match hottest {
                Some(limit) => {
                    format!(
                        "no processor shows its temperature in a virtual machine, {limit} C were not judged"
                    )
                }
                None => "no processor shows its temperature".into(),
            },
        }
    }
}

/// Lets all processors compute for so long.
pub(super) fn test(
    seconds: u64,
    hottest: Option<u32>,
    step: usize,
    witness: &dyn Witness,
) -> Outcome<Vec<String>> {
    let root = Path::new("/");
    demand_sensor(hottest, &temperatures(root), is_virtual(root))?;
    let allowed = sched_getaffinity(None).unwrap_or_else(|_| CpuSet::new());
    let processors: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number)).collect();
    let (begun, patience) = (Instant::now(), Duration::from_secs(seconds));
    let (rounds, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let meter = Meter::start_timed(witness, step, patience);
    let (wrongs, seen) = (Mutex::new(Vec::new()), Mutex::new((Heat::default(), Vec::new())));
    let goes_on = || !is_over.load(Ordering::Relaxed) && begun.elapsed() < patience;
    let compute = |processor: usize| {
        let mut alone = CpuSet::new();
        alone.set(processor);
        // A processor that was switched off meanwhile computes nowhere; its thread goes where it can.
        let _ = sched_setaffinity(None, &alone);
        while goes_on() {
            if let Err(wrong) = round(processor) {
                is_over.store(true, Ordering::Relaxed);
                wrongs.lock().unwrap_or_else(PoisonError::into_inner).push(wrong);
            }
            rounds.fetch_add(1, Ordering::Relaxed);
        }
    };
    let watch = || {
        while goes_on() {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.0.take(temperatures(root));
            seen.1 = seen.0.excess(hottest);
            if !seen.1.is_empty() {
                is_over.store(true, Ordering::Relaxed);
            }
            drop(seen);
            meter.at_time(begun.elapsed());
            std::thread::sleep(PACE.min(patience.saturating_sub(begun.elapsed())));
        }
    };
    // One more than there are processors looks at the sensors.
    let is_well = together(processors.len() + 1, &|number| match processors.get(number) {
        Some(processor) => compute(*processor),
        None => watch(),
    });
    if !is_well {
        let failure = Failure::new("a thread that tests a processor ended unexpectedly");
        return Err(Fault { cause: "processor-faulty", failure });
    }
    let wrongs = wrongs.into_inner().unwrap_or_else(PoisonError::into_inner);
    let (heat, excess) = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    judge(&wrongs, &excess)?;
    let (count, rounds) = (processors.len(), rounds.into_inner());
    Ok(vec![format!(
        "processors: {count} for {seconds} s, {rounds} rounds, all right; {}",
        heat.words(hottest)
    )])
}

/// A limit that nothing can be held against is not kept. A virtual box is let through: it would show no temperature
/// either where its line's real boxes do.
fn demand_sensor(hottest: Option<u32>, sensors: &[Sensor], is_virtual: bool) -> Outcome<()> {
    let Some(limit) = hottest else { return Ok(()) };
    if is_virtual || sensors.iter().any(|sensor| sensor.is_processor) {
        return Ok(());
    }
    let failure = Failure::new("no processor of this box shows its temperature")
        .because(format!("the line allows {limit} C at most, and nothing can be held against that"));
    let failure = sensors.iter().fold(failure, |failure, sensor| {
        failure.because(format!("{} shows {} C, and is no processor's", sensor.name, sensor.celsius))
    });
    let hint = "leave `processor-celsius` out for boxes like this one, or give the live OS a kernel with their sensors' driver";
    Err(Fault { cause: "temperature-unknown", failure: failure.hint(hint) })
}

fn judge(wrongs: &[Wrong], excess: &[String]) -> Outcome<()> {
    if !wrongs.is_empty() {
        let failure = wrongs.iter().fold(
            Failure::new("a processor computes wrongly"),
            |failure, Wrong { processor, what }| {
                failure.because(format!("processor {processor} got a wrong result in {what}"))
            },
        );
        let failure = failure.hint("look at its cooler, then retry; the same processor again: change it");
        return Err(Fault { cause: "processor-faulty", failure });
    }
    if !excess.is_empty() {
        let failure = Failure::new("the box gets too hot");
        let failure = excess.iter().fold(failure, Failure::because);
        let failure = failure.hint("look at fans, air shrouds and coolers; let it cool down, then retry");
        return Err(Fault { cause: "too-hot", failure });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::controller::witness::tests::Collector;
    use expect_test::expect;

    /// A wrong constant would call every processor faulty. The two numbers are from Python's hashlib and float.
    #[test]
    fn what_is_computed_is_known() {
        assert_eq!((chain(), fractions()), (CHAIN_ENDS, FRACTION_ENDS));
        assert_eq!(round(0), Ok(()));
    }

    /// The arithmetic by itself: which of these exponents make primes is in every table of them.
    #[test]
    fn primes_are_told_from_others() {
        let primes = [3, 5, 7, 13, 17, 19, 31, 61, 89, 107, 127, 521, 607, 1279, EXPONENT];
        assert!(primes.into_iter().all(is_mersenne_prime));
        assert!(![11, 23, 29, 37, 67, 131, 257, 2207].into_iter().any(is_mersenne_prime));
    }

    fn sensor(name: &str, is_processor: bool, celsius: u32, critical: Option<u32>) -> Sensor {
        Sensor { name: name.into(), is_processor, celsius, critical }
    }

    /// The limit is held against the hottest moment, and only against what it is for.
    #[test]
    fn heat_is_held_against_its_limit() {
        let mut heat = Heat::default();
        heat.take(vec![
            sensor("coretemp Core 0", true, 92, Some(100)),
            sensor("nvme Composite", false, 95, None),
        ]);
        heat.take(vec![
            sensor("coretemp Core 0", true, 40, Some(100)),
            sensor("mlx5 asic", false, 106, Some(105)),
        ]);
        assert_eq!(heat.words(Some(95)), "coretemp Core 0 at 92 C");
        assert_eq!(heat.excess(None), ["mlx5 asic showed 106 C, and may show 105 C"]);
        let fault = judge(&[], &heat.excess(Some(90))).unwrap_err();
        assert_eq!(fault.cause, "too-hot");
        expect![[r#"
            error: the box gets too hot
            because: coretemp Core 0 showed 92 C, and may show 90 C
            because: mlx5 asic showed 106 C, and may show 105 C
            hint: look at fans, air shrouds and coolers; let it cool down, then retry"#]]
        .assert_eq(&fault.failure.report());
        assert_eq!(Heat::default().words(None), "no processor shows its temperature");
        assert_eq!(
            Heat::default().words(Some(90)),
            "no processor shows its temperature in a virtual machine, 90 C were not judged"
        );
    }

    /// A limit that cannot fail would be believed; a virtual box has to get through all the same.
    #[test]
    fn a_limit_without_a_sensor_is_refused() {
        let other = [sensor("nvme Composite", false, 41, None)];
        let own = [sensor("k10temp Tctl", true, 50, None)];
        assert!(demand_sensor(None, &other, false).is_ok() && demand_sensor(Some(90), &other, true).is_ok());
        assert!(demand_sensor(Some(90), &own, false).is_ok());
        let fault = demand_sensor(Some(90), &other, false).unwrap_err();
        assert_eq!(fault.cause, "temperature-unknown");
        expect![[r#"
            error: no processor of this box shows its temperature
            because: the line allows 90 C at most, and nothing can be held against that
            because: nvme Composite shows 41 C, and is no processor's
            hint: leave `processor-celsius` out for boxes like this one, or give the live OS a kernel with their sensors' driver"#]]
        .assert_eq(&fault.failure.report());
    }

    /// Which processor it is decides what is changed.
    #[test]
    fn a_wrong_result_names_its_processor() {
        let fault = judge(&[Wrong { processor: 3, what: "a chain of digests" }], &[]).unwrap_err();
        assert_eq!(fault.cause, "processor-faulty");
        expect![[r#"
            error: a processor computes wrongly
            because: processor 3 got a wrong result in a chain of digests
            hint: look at its cooler, then retry; the same processor again: change it"#]]
        .assert_eq(&fault.failure.report());
    }

    /// The whole test on this machine's own processors.
    #[test]
    fn sound_processors_pass() {
        let found = test(1, None, 1, &Collector::default()).unwrap();
        assert!(found[0].contains(" for 1 s, ") && found[0].contains(" rounds, all right; "), "{found:?}");
    }
}
