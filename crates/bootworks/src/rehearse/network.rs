//! The rehearsal's own network: a bridge with the server's address, a tap for each NIC of the box.

use super::machine::Chassis;
use linux::bridge::Bridge;
use linux::{link, namespace};
use model::failure::{Failure, Result};
use model::line::Network;

/// The server's interface in the private network.
pub(crate) const BRIDGE: &str = "bootworks0";

/// Moves this process into a network of its own and lays the cables.
///
/// Everything made here vanishes with the process and its children, however they end.
pub(crate) fn lay(network: &Network, nics: usize) -> Result<()> {
    namespace::enter_private_network()?;
    link::loopback_up()?;
    let bridge = Bridge::make(BRIDGE)?;
    let index = index_of(BRIDGE)?;
    link::add_address(index, network.address, network.prefix)?;
    link::up(index)?;
    for index in 0..nics {
        let tap = Chassis::tap(index);
        bridge.add_tap(&tap)?;
        link::up(index_of(&tap)?)?;
    }
    Ok(())
}

fn index_of(name: &str) -> Result<u32> {
    link::index(name).ok_or_else(|| Failure::new(format!("the interface {name} was made and is not there")))
}
