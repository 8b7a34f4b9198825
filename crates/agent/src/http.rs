//! HTTP to the server, which is known by its address: no names are looked up, no proxy is asked.
//!
//! What the server may keep for this box alone goes over TLS, where the boot script said how the server is known; that
//! is [`tls`]'s. Large files, which are held against digests, go without.

mod tls;

use model::boot::{BootParameters, Identity};
use std::net::SocketAddrV4;
use tls::Tls;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{Connector as _, NextTimeout, TcpConnector};

/// A client for what anybody may read.
pub(crate) fn client(config: Config) -> ureq::Agent {
    ureq::Agent::with_parts(config, TcpConnector::default(), ByAddress)
}

/// A client for what is this box's, and where it finds it.
#[derive(Debug)]
pub(crate) struct Sealed {
    /// The client.
    pub(crate) client: ureq::Agent,
    port: Option<u16>,
}

impl Sealed {
    /// With the server's identity as the kernel's command line tells it.
    pub(crate) fn of_boot(config: Config) -> Sealed {
        let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
        Sealed::with(config, BootParameters::read(&line).and_then(|parameters| parameters.identity))
    }

    fn with(config: Config, identity: Option<Identity>) -> Sealed {
        match identity {
            Some(Identity { https_port, authority }) => {
                let connector = TcpConnector::default().chain(Tls::trusting(authority));
                Sealed {
                    client: ureq::Agent::with_parts(config, connector, ByAddress),
                    port: Some(https_port),
                }
            }
            None => Sealed { client: client(config), port: None },
        }
    }

    /// Where a path of the server is found: over TLS, where it has that.
    pub(crate) fn url(&self, server: SocketAddrV4, path: &str) -> String {
        match self.port {
            Some(port) => format!("https://{}:{port}{path}", server.ip()),
            None => format!("http://{server}{path}"),
        }
    }
}

/// Takes addresses for what they are. A look-up of names would bring the C library's, half a megabyte, into each
/// initrd; and nobody names the server by a name.
#[derive(Debug)]
struct ByAddress;

impl Resolver for ByAddress {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let address = uri.host().and_then(|host| host.parse().ok()).ok_or(ureq::Error::HostNotFound)?;
        let port = match uri.scheme_str() {
            Some("https") => 443,
            _ => 80,
        };
        let mut addresses = self.empty();
        addresses.push(SocketAddrV4::new(address, uri.port_u16().unwrap_or(port)).into());
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The line's server is an address, with or without a port.
    #[test]
    fn servers_are_known_by_their_address() {
        let resolve = |uri: &str| {
            let next = NextTimeout {
                after: ureq::unversioned::transport::time::Duration::NotHappening,
                ..NextTimeout::default()
            };
            ByAddress
                .resolve(&uri.parse().unwrap(), &Config::default(), next)
                .map(|found| found[0].to_string())
        };
        assert_eq!(resolve("http://10.77.0.1/x").unwrap(), "10.77.0.1:80");
        assert_eq!(resolve("https://10.77.0.1/x").unwrap(), "10.77.0.1:443");
        assert_eq!(resolve("http://10.77.0.1:8080/x").unwrap(), "10.77.0.1:8080");
        assert!(matches!(resolve("http://server/x"), Err(ureq::Error::HostNotFound)));
    }

    /// A box that was not told how the server is known speaks as all boxes did before.
    #[test]
    fn what_is_sealed_goes_over_tls_where_the_server_has_it() {
        let server: SocketAddrV4 = "10.77.0.1:8080".parse().unwrap();
        let plain = Sealed::with(Config::default(), None);
        assert_eq!(plain.url(server, "/api/report"), "http://10.77.0.1:8080/api/report");
        let identity = Identity { https_port: 8443, authority: [7; 32] };
        let sealed = Sealed::with(Config::default(), Some(identity));
        assert_eq!(sealed.url(server, "/api/report"), "https://10.77.0.1:8443/api/report");
    }
}
