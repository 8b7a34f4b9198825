//! The rehearsal's own network: a bridge with the server's address, a tap for each NIC of the box.

use super::machine::Chassis;
use linux::bridge::Bridge;
use linux::{link, namespace};
use model::failure::Result;
use model::line::Network;

/// The server's interface in the private network.
pub(crate) const BRIDGE: &str = "bootworks0";

/// Moves this process into a network of its own and lays the cables.
///
/// Everything made here vanishes with the process and its children, however they end.
pub(crate) fn lay(network: &Network, nics: usize) -> Result<()> {
    namespace::enter_private_network()?;
    link::set_up("lo")?;
    let bridge = Bridge::make(BRIDGE)?;
    link::add_address(BRIDGE, network.address, network.prefix)?;
    link::set_up(BRIDGE)?;
    for index in 0..nics {
        let tap = Chassis::tap(index);
        bridge.add_tap(&tap)?;
        link::set_up(&tap)?;
    }
    Ok(())
}
