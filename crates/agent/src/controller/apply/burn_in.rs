//! Tests of the box before anything is written to it. What they find is a sentence each for the record; a limit that is
//! not kept is a fault. What is tested, and by which limits, stands in the plan.

mod disks;
mod memory;
mod network;
mod processor;

use super::fault::Outcome;
use crate::controller::witness::Witness;
use linux::process::Child;
use linux::tools::{MODPROBE, Tool};
use model::burn_in::Test;
use model::plan::Plan;
use std::net::SocketAddrV4;

/// Drivers of the sensors inside of processors: nothing else in the live OS asks for them.
const SENSORS: [&str; 2] = ["coretemp", "k10temp"];

/// Does a test, as step number `step`. Gives what it found.
pub(super) fn run(
    test: &Test,
    plan: &Plan,
    server: SocketAddrV4,
    step: usize,
    witness: &dyn Witness,
) -> Outcome<Vec<String>> {
    match *test {
        Test::Memory { percent, passes } => memory::test(percent, passes, step, witness),
        Test::Processor { seconds, hottest } => {
            show_sensors();
            processor::test(seconds, hottest, step, witness)
        }
        Test::Disks { depth, errors, wear, slowest } => {
            let limits = disks::Limits { errors, wear, slowest };
            disks::test(plan, depth, &limits, step, witness)
        }
        Test::Network { times, slowest } => network::test(plan, times, slowest, server, step, witness),
    }
}

/// Does work on so many threads, each with its number. `false` where one of them ended unexpectedly.
fn together(count: usize, work: &(dyn Fn(usize) + Sync)) -> bool {
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..count).map(|number| scope.spawn(move || work(number))).collect();
        threads.into_iter().filter_map(|thread| thread.join().err()).count() == 0
    })
}

fn show_sensors() {
    let tool: Tool = MODPROBE;
    for module in SENSORS {
        // Of another maker's processor, or not in this kernel: the test then says that no processor shows anything.
        let _ = Child::of(tool).args(["-q", module]).run();
    }
}
