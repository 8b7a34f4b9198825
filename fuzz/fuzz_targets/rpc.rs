//! RPC records and the calls of NFS, MOUNT and the port mapper in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use wire::nfs::call::Call;
use wire::nfs::{Procedure, mount, portmap};
use wire::rpc;
use wire::rpc::record::Assembler;

fuzz_target!(|bytes: &[u8]| {
    let mut assembler = Assembler::new(4096);
    let mut rest = bytes;
    while let Ok(Some(message)) = assembler.take(&mut rest) {
        read(&message);
    }
    read(bytes);
});

fn read(message: &[u8]) {
    let Ok(call) = rpc::Call::parse(message) else { return };
    if let Some(procedure) = Procedure::of(call.procedure) {
        let _ = Call::parse(procedure, call.arguments).map(|call| call.handle().is_some());
    }
    let _ = mount::Call::parse(call.procedure, call.arguments);
    let _ = portmap::Call::parse(call.version, call.procedure, call.arguments);
}
