//! What programs print of the causes in `nfs`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const NFS_ACCESS_DENIED: &[Sign] = &[
    usual("requires stronger authentication."),
    usual("AUTH_GSS upcall failed. Please check user daemon is running"),
    proof("mount.nfs4: Permission denied"),
    usual("mount: mounting {server}:/{path} on {folder} failed: Operation not permitted"),
    usual("exportfs: Failed to resolve {name}"),
    usual("(mountd): request from unauthorized host"),
    usual("avc:{:any}denied{:any}comm='nfsd'"),
];

pub(in crate::catalogue) const NFS_BAD_OPTION: &[Sign] = &[
    usual("Root-NFS: mount options string too long"),
    proof("mount.nfs4: an incorrect mount option was specified"),
    proof("mount.nfs4: Invalid argument"),
    usual("mount: mounting {server}:/{path} on {folder} failed: Invalid argument"),
];

pub(in crate::catalogue) const NFS_LOCK_STATD: &[Sign] = &[
    usual("svc: failed to register lockdv1 RPC service"),
    usual("failed to create RPC listeners"),
    usual("Failed to start {unit:any}NFS status monitor for NFSv2/3 locking"),
];

pub(in crate::catalogue) const NFS_NOT_IN_INITRD: &[Sign] = &[
    proof("mount.nfs4: No such device"),
    proof("mount.nfs4: not found"),
    usual("bad superblock on {server}:/{path}"),
];

pub(in crate::catalogue) const NFS_NOT_REGISTERED: &[Sign] = &[
    usual("svc: failed to register nfsdv{version:number} RPC service"),
    usual("mountd: could not create listeners"),
    usual("Failed to start {unit:any}NFS Mount Daemon"),
    usual("Cannot register NFS V{version:number} on"),
];

pub(in crate::catalogue) const NFS_PATH_MISSING: &[Sign] = &[
    usual("Root-NFS: root device name too long"),
    usual("mount program didn't pass remote address"),
    usual("remote share not in 'host:dir' format"),
    usual("Unable to locate image store ("),
    usual("exportfs: {file}: unknown keyword '{option}"),
    proof("ipxe.org/2d3560{code:hex}"),
    proof("Could not create export for ({path:any}) to ("),
    usual("*** ERROR: Cannot mount"),
    usual("could not open {file:any} for locking: errno"),
    proof("MOUNT: Export entry for {path:any} not found"),
];

pub(in crate::catalogue) const NFS_SERVER_UNREACHABLE: &[Sign] = &[
    usual("Cannot open root device 'nfs' or unknown-block(0,255)"),
    usual("NFS: state manager: {what:any} failed on NFSv4 server {server} with error"),
    usual("Mounting from nfs:{path:any} failed with error"),
    usual("mount: {folder} mount(2) system call failed: No route to host"),
    usual("mount: {folder} mount(2) system call failed: Connection timed out"),
    usual("mount.nfs: Host is down"),
    usual("mount: mounting {server}:/{path} on {folder} failed: Host is unreachable"),
    usual("mount: mounting {server}:/{path} on {folder} failed: Operation timed out"),
    usual("^ERROR: Mounting '{server}:/{path}'"),
    usual("NFS Mounting failed. Is the path"),
    usual("nfs-server.service: Failed with result '{result}'"),
    usual("Dependency failed for NFS server and services"),
    proof("rpc.nfsd: unable to set any sockets for nfsd"),
    proof("rpc.nfsd: writing fd to kernel failed"),
    proof("rpc.nfsd: unable to bind {family} TCP socket"),
    proof("rpc.nfsd: Unable to access /proc/fs/nfsd"),
    proof("[UFW BLOCK]{:any}PROTO=TCP{:any}DPT=2049"),
    usual("[UFW BLOCK]{:any}DPT=111"),
    usual("_REJECT: IN={:any}PROTO=TCP{:any}DPT=2049"),
    usual("Failed to start {unit:any}NFS server and services"),
    usual("rpc.nfsd: unable to resolve ANYADDR:nfs"),
    usual("Could not mount images folder"),
    proof("Cannot bind NFS {proto} socket, error {errno:number}"),
    proof("Error binding to V{version:number} interface. Cannot continue"),
    usual("Error setting parameters from configuration file"),
    usual("udp port sunrpc unreachable"),
    usual("udp port nfs unreachable"),
    proof("rpc.nfsd: error starting threads: errno"),
    proof("A dependency job for nfs-server.service failed"),
];

pub(in crate::catalogue) const NFS_VERSION_MISMATCH: &[Sign] = &[
    usual("NFS4: Couldn't follow remote path"),
    usual("mount: mounting {server}:/{path} on {folder} failed: Protocol not supported"),
    proof("version {version:number} unsupported by server"),
];
