//! A bridge with taps: the switch that virtual boxes and their server are plugged into.
//!
//! Uses the ioctls of `net/bridge/br_ioctl.c` and `drivers/net/tun.c`; addresses and link state are
//! set elsewhere.

use model::failure::{Explain as _, Failure, Result};
use rustix::fd::{AsRawFd as _, BorrowedFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketType};

/// `SIOCBRADDBR`, `linux/sockios.h`.
const ADD_BRIDGE: libc::c_ulong = 0x89a0;
/// `SIOCBRADDIF`, `linux/sockios.h`.
const ADD_TO_BRIDGE: libc::c_ulong = 0x89a2;
/// `SIOCGIFINDEX`, `linux/sockios.h`.
const INTERFACE_INDEX: libc::c_ulong = 0x8933;
/// `TUNSETIFF`, `linux/if_tun.h`.
const TUN_SET_INTERFACE: libc::c_ulong = 0x4004_54ca;
/// `TUNSETPERSIST`, `linux/if_tun.h`.
const TUN_SET_PERSISTENT: libc::c_ulong = 0x4004_54cb;
/// `IFF_TAP | IFF_NO_PI`, `linux/if_tun.h`.
const TAP_WITHOUT_HEADER: libc::c_short = 0x0002 | 0x1000;

/// `struct ifreq` as far as it is used here: a name and a union of 24 octets.
#[repr(C)]
struct InterfaceRequest {
    name: [u8; 16],
    value: [u8; 24],
}

impl InterfaceRequest {
    fn of(name: &str) -> Result<InterfaceRequest> {
        if name.is_empty() || name.len() > 15 || name.contains(['/', '\0', ' ']) {
            return Err(Failure::new(format!(
                "`{name}` cannot be the name of an interface (1 to 15 characters)"
            )));
        }
        let mut request = InterfaceRequest { name: [0; 16], value: [0; 24] };
        request.name[..name.len()].copy_from_slice(name.as_bytes());
        Ok(request)
    }
}

/// A bridge: its ports hear each other as on one unmanaged switch without spanning tree.
#[derive(Debug)]
pub struct Bridge {
    name: String,
    control: OwnedFd,
}

impl Bridge {
    /// Makes a bridge of that name; it is down and has no address.
    pub fn make(name: &str) -> Result<Bridge> {
        let control = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
            .or_fail(|| "cannot open a control socket".into())?;
        let request = InterfaceRequest::of(name)?;
        call(&control, ADD_BRIDGE, request.name.as_ptr().cast_mut().cast())
            .or_fail(|| format!("cannot make the bridge {name}"))?;
        Ok(Bridge { name: name.to_owned(), control })
    }

    /// Makes a tap of that name and plugs it in; a virtual NIC opens it by its name.
    pub fn add_tap(&self, name: &str) -> Result<()> {
        make_tap(name)?;
        let mut index = InterfaceRequest::of(name)?;
        call(&self.control, INTERFACE_INDEX, (&raw mut index).cast())
            .or_fail(|| format!("cannot find the tap {name}"))?;
        let mut request = InterfaceRequest::of(&self.name)?;
        request.value[..4].copy_from_slice(&index.value[..4]);
        call(&self.control, ADD_TO_BRIDGE, (&raw mut request).cast())
            .or_fail(|| format!("cannot plug the tap {name} into the bridge {}", self.name))
    }
}

/// A tap of that name, which is there as long as this is open: who reads gets the frames that the kernel sends over it,
/// one with each read, and what is written has arrived at it. It may move into another network namespace.
///
/// Errors: not root, no `tun` in the kernel, the name is taken.
pub fn open_tap(name: &str) -> Result<OwnedFd> {
    let mut request = InterfaceRequest::of(name)?;
    request.value[..2].copy_from_slice(&TAP_WITHOUT_HEADER.to_ne_bytes());
    let tun = rustix::fs::open("/dev/net/tun", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .or_fail(|| "cannot open /dev/net/tun".into())
        .map_err(|failure| failure.hint("the kernel needs its `tun` module: `modprobe tun`"))?;
    call(&tun, TUN_SET_INTERFACE, (&raw mut request).cast())
        .or_fail(|| format!("cannot make the tap {name}"))?;
    Ok(tun)
}

fn make_tap(name: &str) -> Result<()> {
    let tun = open_tap(name)?;
    call(&tun, TUN_SET_PERSISTENT, std::ptr::without_provenance_mut(1))
        .or_fail(|| format!("cannot keep the tap {name}"))
}

fn call(on: &OwnedFd, request: libc::c_ulong, argument: *mut libc::c_void) -> Result<(), Errno> {
    let on: BorrowedFd<'_> = std::os::fd::AsFd::as_fd(on);
    // SAFETY: each caller passes a request with the argument that its header names: a `struct ifreq`, a
    // name of 16 octets, or an integer in the place of the pointer; all outlive the call.
    let status = unsafe { libc::ioctl(on.as_raw_fd(), request, argument) };
    if status < 0 {
        Err(Errno::from_io_error(&std::io::Error::last_os_error()).unwrap_or(Errno::IO))
    } else {
        Ok(())
    }
}
