//! Where the server listens: the interface held against the line, and every port bound before anything runs.
//!
//! Used by `serve` at its start; what cannot be bound is said with who is in the way.

use super::nfs;
use super::socket::{bind_shared_udp, bind_udp, explain};
use crate::report;
use linux::arp::ArpSocket;
use linux::link;
use linux::sockets::Transport;
use model::boot::NFS_PORT;
use model::failure::{Explain as _, Failure, Result};
use model::line::{Dhcp, Network};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use wire::dhcp::proxy;
use wire::nfs::portmap;
use wire::{netconsole, syslog};

/// Whether a missing address is given to the interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It is.
    Assigned,
    /// It is an error that says how.
    Refused,
}

/// Every socket of the server.
pub(crate) struct Ears {
    /// Port 67 on the interface.
    pub(crate) dhcp: UdpSocket,
    /// Port 69.
    pub(crate) tftp: UdpSocket,
    /// The HTTP server's.
    pub(crate) http: TcpListener,
    /// What the server can do without.
    pub(crate) more: MoreEars,
    nfs: TcpListener,
    nfs_udp: UdpSocket,
    portmap: Option<(TcpListener, UdpSocket)>,
}

/// Sockets whose ports somebody else may hold, each for one thing that is then left out.
#[derive(Default)]
pub(crate) struct MoreEars {
    /// Port 4011 on the interface, beside another DHCP server.
    pub(crate) proxy: Option<UdpSocket>,
    /// Port 68 on the interface, where other servers' offers are heard.
    pub(crate) offers: Option<UdpSocket>,
    /// ARP on the interface.
    pub(crate) arp: Option<ArpSocket>,
    /// The HTTPS server's.
    pub(crate) https: Option<TcpListener>,
    /// Port 514.
    pub(crate) syslog: Option<UdpSocket>,
    /// Port 514, TCP.
    pub(crate) syslog_tcp: Option<TcpListener>,
    /// Port 6666.
    pub(crate) netconsole: Option<UdpSocket>,
}

/// The interface by its name, once it has the line's address.
///
/// Errors: there is no such interface, or it has other addresses; both sides are named.
pub(crate) fn choose_interface(name: Option<&str>, network: &Network, missing: Missing) -> Result<String> {
    let Network { address, prefix, range, .. } = network;
    let Some(name) = name.or(network.interface.as_deref()) else {
        return Err(Failure::new("no interface to serve on")
            .because("line.toml [network] names none")
            .hint(format!("`--interface NAME`; this machine has {}", interfaces())));
    };
    let Some(index) = link::index(name) else {
        return Err(Failure::new(format!("cannot serve on `{name}`"))
            .because("this machine has no such interface")
            .hint(format!("`--interface NAME`; this machine has {}", interfaces())));
    };
    let addresses = link::addresses(index)?;
    if !addresses.contains(&(*address, *prefix)) {
        if missing == Missing::Assigned {
            link::add_address(index, *address, *prefix)?;
            link::up(index)?;
            report::note(&format!("{name} now has {address}/{prefix}, until this machine starts again"));
        } else {
            let has = match addresses.as_slice() {
                [] => "no address".to_owned(),
                some => {
                    some.iter().map(|(ip, prefix)| format!("{ip}/{prefix}")).collect::<Vec<_>>().join(", ")
                }
            };
            let hands_out = match network.dhcp {
                Dhcp::Full => format!(" and hands out {}-{}", range.0, range.1),
                Dhcp::Proxy => String::new(),
            };
            return Err(Failure::new(format!(
                "{name} has {has}, but the line serves as {address}/{prefix}{hands_out}"
            ))
            .hint(format!(
                "`ip address add {address}/{prefix} dev {name}`, or `bootworks serve --assign-address`, \
                 which does just that"
            )));
        }
    }
    if std::fs::read_to_string(format!("/sys/class/net/{name}/carrier")).is_ok_and(|text| text.trim() == "0")
    {
        report::note(&format!("{name} has no carrier yet: is its cable in"));
    }
    Ok(name.to_owned())
}

fn interfaces() -> String {
    let Ok(entries) = std::fs::read_dir("/sys/class/net") else { return "none that can be listed".into() };
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut shown: Vec<String> = names
        .map(|name| {
            let addresses =
                link::index(&name).and_then(|index| link::addresses(index).ok()).unwrap_or_default();
            match addresses.first() {
                Some((address, prefix)) => format!("{name} ({address}/{prefix})"),
                None => name,
            }
        })
        .collect();
    shown.sort();
    shown.join(", ")
}

impl Ears {
    /// Binds every port. The port mapper's may be held by somebody: boxes of ours do without.
    ///
    /// Errors: one or more ports cannot be bound; each is reported, with who holds it.
    pub(crate) fn bind(
        interface: &str,
        network: &Network,
        (http_port, https_port): (u16, u16),
    ) -> Result<Ears> {
        let address = network.address;
        let dhcp = bind_udp(Ipv4Addr::UNSPECIFIED, wire::dhcp::SERVER_PORT, Some(interface));
        let tftp = bind_udp(address, wire::tftp::PORT, None);
        let http = bind_tcp(address, http_port);
        let nfs = bind_tcp(address, NFS_PORT);
        let nfs_udp = bind_udp(address, NFS_PORT, None);
        let portmap = bind_tcp(address, portmap::PORT)
            .and_then(|listener| Ok((listener, bind_udp(address, portmap::PORT, None)?)));
        let mut failures = Vec::new();
        let dhcp = dhcp.map_err(|failure| failures.push(failure));
        let tftp = tftp.map_err(|failure| failures.push(failure));
        let http = http.map_err(|failure| failures.push(failure));
        let nfs = nfs.map_err(|failure| failures.push(failure));
        let nfs_udp = nfs_udp.map_err(|failure| failures.push(failure));
        let (Ok(dhcp), Ok(tftp), Ok(http), Ok(nfs), Ok(nfs_udp)) = (dhcp, tftp, http, nfs, nfs_udp) else {
            return Err(join(failures));
        };
        let portmap = portmap
            .map_err(|failure| {
                report::note(&failure.report());
                report::note(
                    "going on without a port mapper: boxes of this line need none, stock clients do",
                );
            })
            .ok();
        let more = MoreEars::bind(interface, network, https_port)?;
        Ok(Ears { dhcp, tftp, http, more, nfs, nfs_udp, portmap })
    }

    /// The sockets of the NFS server, as the running reactor knows them; the rest as it is.
    pub(crate) fn into_parts(self) -> Result<(UdpSocket, UdpSocket, TcpListener, nfs::Ears, MoreEars)> {
        let what = || "cannot listen for NFS".to_owned();
        let portmap = match self.portmap {
            None => None,
            Some((listener, socket)) => Some((
                tokio::net::TcpListener::from_std(listener).or_fail(what)?,
                tokio::net::UdpSocket::from_std(socket).or_fail(what)?,
            )),
        };
        let nfs = nfs::Ears {
            nfs: tokio::net::TcpListener::from_std(self.nfs).or_fail(what)?,
            nfs_udp: tokio::net::UdpSocket::from_std(self.nfs_udp).or_fail(what)?,
            portmap,
        };
        Ok((self.dhcp, self.tftp, self.http, nfs, self.more))
    }
}

impl MoreEars {
    /// Binds what can be bound; of the rest it is said what is left out.
    ///
    /// Errors: port 4011, where a line depends on it.
    fn bind(interface: &str, network: &Network, https_port: u16) -> Result<MoreEars> {
        let address = network.address;
        let proxy = match network.dhcp {
            Dhcp::Proxy => Some(bind_udp(Ipv4Addr::UNSPECIFIED, proxy::PORT, Some(interface))?),
            Dhcp::Full => None,
        };
        let syslog = or_without("logs over syslog", bind_udp(address, syslog::PORT, None));
        let offers = bind_shared_udp(wire::dhcp::CLIENT_PORT, interface);
        let https = or_without(
            "HTTPS: answers that are secret are asked for at the boxes' consoles",
            bind_tcp(address, https_port),
        );
        Ok(MoreEars {
            proxy,
            https,
            offers: or_without("watching for other DHCP servers", offers),
            arp: or_without("looking whether an address is in use", ArpSocket::open(interface)),
            // Whoever holds the one port holds the other, and saying so once is enough.
            syslog_tcp: match &syslog {
                Some(_) => or_without("logs over syslog on TCP", bind_tcp(address, syslog::PORT)),
                None => None,
            },
            syslog,
            netconsole: or_without(
                "kernel messages over netconsole",
                bind_udp(address, netconsole::PORT, None),
            ),
        })
    }
}

/// What there is; where it is not to be had, why, and what is left out.
fn or_without<T>(what: &str, bound: Result<T>) -> Option<T> {
    bound
        .map_err(|failure| {
            report::note(&failure.report());
            report::note(&format!("going on without {what}"));
        })
        .ok()
}

/// One failure as it is; of several, all but the last on the screen, so that they are mended together.
fn join(mut failures: Vec<Failure>) -> Failure {
    let count = failures.len();
    match failures.pop() {
        Some(last) if count > 1 => {
            for failure in failures {
                report::note(&failure.report());
            }
            last.doing(format!("binding the server's ports, {count} of which are not to be had"))
        }
        Some(only) => only,
        None => Failure::new("cannot bind the server's ports"),
    }
}

fn bind_tcp(address: Ipv4Addr, port: u16) -> Result<TcpListener> {
    let name = || format!("cannot listen on {address}:{port}/tcp");
    match TcpListener::bind((address, port)) {
        Ok(listener) => {
            listener.set_nonblocking(true).or_fail(name)?;
            Ok(listener)
        }
        Err(error) => {
            let kind = error.kind();
            let failure = Err::<(), _>(error).or_fail(name).err().unwrap_or_else(|| Failure::new(name()));
            Err(explain(failure, kind, Transport::Tcp, address, port))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;

    fn network(interface: Option<&str>) -> Network {
        Network {
            interface: interface.map(str::to_owned),
            address: Ipv4Addr::new(192, 0, 2, 1),
            prefix: 24,
            dhcp: Dhcp::Full,
            range: (Ipv4Addr::new(192, 0, 2, 50), Ipv4Addr::new(192, 0, 2, 99)),
            router: None,
            name_servers: Vec::new(),
            reservations: Vec::new(),
            relayed: Vec::new(),
            loaders: Vec::new(),
        }
    }

    /// A server on the wrong network would hand out addresses there: both sides are named before it starts.
    #[test]
    fn the_interface_must_have_the_lines_address() {
        let report = choose_interface(Some("lo"), &network(None), Missing::Refused).unwrap_err().report();
        let report = report.replacen("127.0.0.1/8", "WHAT-IT-HAS", 1);
        let begins = "error: lo has WHAT-IT-HAS";
        assert!(report.starts_with(begins), "{report}");
        expect![[r#"
            , but the line serves as 192.0.2.1/24 and hands out 192.0.2.50-192.0.2.99
            hint: `ip address add 192.0.2.1/24 dev lo`, or `bootworks serve --assign-address`, which does just that"#]]
        .assert_eq(&report[report.find(", but").unwrap()..]);
        let report = choose_interface(None, &network(Some("eth99")), Missing::Refused).unwrap_err().report();
        assert!(report.starts_with("error: cannot serve on `eth99`\nbecause: this machine has no such interface\nhint: `--interface NAME`; this machine has "), "{report}");
        let report = choose_interface(None, &network(None), Missing::Refused).unwrap_err().report();
        assert!(
            report.starts_with("error: no interface to serve on\nbecause: line.toml [network] names none"),
            "{report}"
        );
    }

    /// Who holds a port is said, for each port that is held.
    #[test]
    fn the_holder_of_a_tcp_port_is_named() {
        let first = bind_tcp(Ipv4Addr::LOCALHOST, 0).unwrap();
        let port = first.local_addr().unwrap().port();
        let report = bind_tcp(Ipv4Addr::LOCALHOST, port).unwrap_err().report();
        let ours = format!("(pid {}) holds it: stop that first", std::process::id());
        assert!(report.contains(&ours), "{report}");
    }
}
