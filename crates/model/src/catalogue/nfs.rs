//! Causes of the stage `nfs`: a root over NFS. Definitions only; how they are found in a log is `diagnosis`'s.
//!
//! Long because there are so many ways to fail, each with its own remedy.

use super::System::{Debian, Dracut, Line, Ubuntu};
use super::messages::nfs as messages;
use super::{BLANK, Cause, against, excludes, fix, fix_on, ipxe, proof, supports, trace, usual};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "nfs-not-in-initrd",
        sentence: "The kernel or the initrd has no NFS client.",
        signs: &[
            proof("the kernel lacks NFS v{version}"),
            proof("mount.nfs: No such device"),
            proof("unknown filesystem type 'nfs"),
            proof("Module nfs not found"),
            proof("mount.nfs: not found"),
            proof("nfsmount: not found"),
            proof("FATAL: Module nfsv3 not found"),
            proof("nfs: Unknown symbol"),
            usual("fsopen(nfs): No such device"),
            proof("need a helper program{:any}mount.nfs"),
            proof("mount: can't find mount.nfs"),
            proof("you might need a /sbin/mount.<type> helper program"),
            proof("unknown filesystem type 'nfs4'"),
            proof("mount: mounting {server}:/{path} on {folder} failed: No such device"),
            usual("ipconfig: not found").says("The initrd has no ipconfig (Arch: mkinitcpio-nfs-utils): it can neither ask for an address nor mount NFS."),
        ],
        messages: messages::NFS_NOT_IN_INITRD,
        clues: &[
            against("Root-NFS: Server returned error", "the client is there, and the server refuses"),
            against("version magic '", "a module is of another kernel"),
            against("could not open directory /lib/modules/", "there are no modules at all for this kernel"),
        ],
        fixes: &[
            fix_on(
                Debian,
                "`BOOT=nfs` and nfs, nfsv3 in /etc/initramfs-tools/modules, `apt install nfs-common`, `update-initramfs -u -k all`",
            ),
            fix_on(
                Ubuntu,
                "`BOOT=nfs` and nfs, nfsv3 in /etc/initramfs-tools/modules, `apt install nfs-common`, `update-initramfs -u -k all`",
            ),
            fix_on(
                Dracut,
                "`dnf install dracut-network nfs-utils`, `dracut --add nfs --force --no-hostonly`",
            ),
            fix("without an initrd: a kernel with CONFIG_ROOT_NFS and CONFIG_IP_PNP_DHCP built in"),
        ],
        hides: &["init-exited", "root-param-missing", "initrd-not-loaded", "live-medium-not-found"],
        decide: "`lsinitramfs FILE | grep nfs` (dracut: lsinitrd): the modules nfs, nfsv3, sunrpc, lockd and the mount program",
        sources: &["https://github.com/chaos/netroot/issues/5", "klibc: usr/kinit/nfsmount"],
        ..BLANK
    },
    Cause {
        id: "nfs-initrd-incomplete",
        sentence: "mount.nfs is in the initrd, but not the small files it reads (/etc/netconfig, /etc/protocols, /etc/services).",
        signs: &[
            proof("failed to open /etc/netconfig"),
            usual("mount.nfs: Protocol not supported"),
            usual("mount.nfs: Failed to find 'tcp' protocol"),
            proof("getprotobyname failed"),
        ],
        clues: &[supports(
            "Protocol not supported for {server}:",
            "mount.nfs itself does not know the protocol",
        )],
        fixes: &[
            fix(
                "copy /etc/netconfig, /etc/protocols and /etc/services into the initrd (package netbase, libtirpc)",
            ),
            fix_on(
                Dracut,
                "`install_items+=\" /etc/netconfig /etc/protocols /etc/services \"` in /etc/dracut.conf.d/nfs.conf",
            ),
        ],
        hides: &["init-exited", "live-medium-not-found", "nfs-version-mismatch"],
        decide: "Does an older initrd mount the same export? `lsinitrd | grep netconfig`",
        sources: &[
            "https://github.com/kernelci/kernelci-core/pull/3217",
            "https://github.com/coreos/bugs/issues/493",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-server-unreachable",
        sentence: "The NFS server does not answer.",
        signs: &[
            proof("NFS: no answer of {server} port {port:number} to").says("{server} does not answer on its NFS port {port}."),
            proof("NFS: {server} refuses connections to port {port:number}").says("No NFS server listens on port {port} of {server}."),
            usual("Portmap: server {server} not responding")
                .says("The port mapper of {server} does not answer (port 111)."),
            usual("Unable to get nfsd port"),
            usual("Unable to get mountd port"),
            usual("Root-NFS: Server returned error -5"),
            usual("Root-NFS: Server returned error -110"),
            usual("Root-NFS: Server returned error -111"),
            usual("Root-NFS: Server returned error -113"),
            usual("rpc failed: {number:number}").unless(&["rpc failed: 1", "rpc failed: 2"]),
            usual("mount.nfs: Connection timed out")
                .says("The NFS server does not answer: the connection timed out."),
            usual("mount.nfs: Connection refused")
                .says("The NFS server refuses the connection: nothing serves NFS there."),
            usual("mount.nfs: No route to host").says("The NFS server cannot be reached: no route to host."),
            usual("mount.nfs: Unable to connect to {server}:")
                .says("The NFS server {server} cannot be reached."),
            usual("mount.nfs: mount system call failed"),
            usual("mount call failed: {number:number}").unless(&["call failed: 13", "call failed: 2"]),
            usual("connect: No route to host").unless(&["dial tcp", "GET error"]),
            usual("connect: Connection refused").unless(&["dial tcp", "GET error"]),
            usual("clnt_create: RPC: Port mapper failure"),
            usual("RPC: Unable to receive; errno = {errno}"),
            usual("mount.nfs: portmap query failed: {why:any}"),
            usual("nothing listens on port"),
            usual("mount to NFS server '{server}' failed: {why:any}")
                .unless(&["denied", "no such"])
                .says("The NFS server {server} cannot be mounted from: {why}."),
            usual("mount: mounting {server}:/{path} on {folder} failed: Connection refused"),
            usual("mount: mounting {server}:/{path} on {folder} failed: Connection timed out"),
            usual("mount: mounting {server}:/{path} on {folder} failed: No route to host"),
            usual("mount.nfs4: Connection timed out"),
            usual("mount.nfs4: Connection refused"),
            usual("mount.nfs4: No route to host"),
            usual("VFS: Unable to mount root fs via NFS"),
            usual("rpcbind: server {server} not responding").says("The port mapper of {server} does not answer (port 111)."),
            usual("clnt_create: RPC: Unable to receive"),
            usual("clnt_create: RPC: Timed out"),
            usual("connect: Connection timed out").unless(&["dial tcp", "GET error"]),
            usual("mount.nfs: mount(2): Connection refused"),
            usual("mount.nfs: mount(2): Connection timed out"),
            usual("nfs4_discover_server_trunking unhandled error"),
        ],
        messages: messages::NFS_SERVER_UNREACHABLE,
        clues: &[
            against("Network is unreachable", "there is no route"),
            against("Program not registered", "the server answers, without NFS"),
        ],
        fixes: &[
            fix(
                "start it and open its ports: `systemctl status nfs-server rpcbind`, tcp and udp 111, tcp 2049, and mountd's port (fix it: `port=20048` under [mountd] in /etc/nfs.conf)",
            ),
            fix("an old kernel asks for NFS 2 over UDP: add `,vers=3,tcp` to nfsroot="),
            fix_on(
                Line,
                "`bootworks serve` has its own NFS server; `bootworks boxes` shows whether this box asked it",
            ),
            fix("check the server's address in nfsroot= or root=nfs:"),
        ],
        hides: &["rootfs-wrong-image", 
            "init-exited",
            "live-medium-not-found",
            "root-param-missing",
            "unit-timeout",
            "initrd-not-loaded",
        ],
        decide: "From another machine on that network: `showmount -e SERVER`, `rpcinfo -p SERVER`",
        sources: &[
            "linux: fs/nfs/nfsroot.c",
            "https://random.kakaopor.hu/ubuntu-12-04-live-nfspxe-boot-diskless-casper-kept/",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-not-registered",
        sentence: "The server runs, but serves no NFS of this version.",
        signs: &[
            usual("RPC: Program not registered"),
            // klibc's nfsmount: the answer's accept_stat (RFC 5531, section 9).
            usual("rpc failed: 1$").says("The server runs no such program (RPC answer 1, PROG_UNAVAIL)."),
            usual("Program not registered"),
            usual("requested NFS version or transport protocol is not supported"),
            usual("RPC: Program/version mismatch"),
            usual("Program/version mismatch"),
            usual("program version mismatch"),
        ],
        messages: messages::NFS_NOT_REGISTERED,
        fixes: &[
            fix("start nfsd: `systemctl enable --now nfs-server`"),
            fix(
                "switch version 3 on: `vers3=y` under [nfsd] in /etc/nfs.conf, `systemctl restart nfs-server`; klibc's nfsmount knows 2 and 3 only",
            ),
            fix("or let the client ask for 4 with mount.nfs: `root=nfs4:SERVER:/PATH` (dracut)"),
        ],
        hides: &["init-exited", "live-medium-not-found", "nfs-server-unreachable", "nfs-version-mismatch"],
        decide: "`rpcinfo -p SERVER`: is 100003 there, with which versions, over tcp",
        sources: &["https://github.com/openmediavault/openmediavault/issues/1748", "linux: fs/nfs/nfsroot.c"],
        ..BLANK
    },
    Cause {
        id: "nfs-tcp-unavailable",
        sentence: "The server does not offer NFS over TCP, which the initrd's mount program wants.",
        signs: &[usual("NFS over TCP not available from {server}")
            .says("{server} does not offer NFS over TCP, or no NFS at all.")],
        fixes: &[
            fix("`tcp=y` under [nfsd] in /etc/nfs.conf, `systemctl restart nfs-server`"),
            fix("is nfsd running at all: the port mapper answers without it, too"),
        ],
        hides: &["live-medium-not-found", "init-exited"],
        decide: "`rpcinfo -p SERVER | grep 100003`: a line with `3 tcp`",
        sources: &[
            "klibc: usr/kinit/nfsmount",
            "https://github.com/openmediavault/openmediavault/issues/1748",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-version-mismatch",
        sentence: "Client and server have no NFS version in common.",
        signs: &[
            proof("requested NFS version {version} which isn't supported")
                .says("The client asks for NFS version {version}, which the server does not have."),
            proof("nfsmount: bad NFS version '{version}'")
                .says("The initrd's mount program does not speak NFS version {version}."),
            usual("rpc failed: 2$").says("The server has another version of the program (RPC answer 2, PROG_MISMATCH); klibc's nfsmount knows NFS 2 and 3 only."),
            usual("mount.nfs: Protocol family not supported"),
            usual("Root-NFS: Server returned error -93"),
            usual("mount.nfs: Protocol not supported"),
            usual("V2 NULL Call"),
            usual("NFS: bad mount option value specified: vers"),
            usual("mount.nfs: Incorrect NFS version"),
            usual("Server does not support NFS version"),
            usual("NFSv2 is not supported"),
            usual("NFS version {version} is not supported")
                .says("The server does not have NFS version {version}."),
            usual("unknown version ({version:number} for prog 100003")
                .says("The client asks for NFS version {version}, which the server does not have."),
            usual("svc: unknown version"),
            trace("vers=2").says("The kernel is told to mount its root by NFS version 2, which current servers no longer have."),
            usual("mount.nfs4: Protocol not supported"),
            proof("mount(2): Protocol not supported"),
        ],
        messages: messages::NFS_VERSION_MISMATCH,
        clues: &[
            excludes("failed to open /etc/netconfig", "mount.nfs lacks its own files"),
            against("Protocol not supported for {server}:", "mount.nfs itself does not know the protocol"),
            supports("NFSv2", "version 2 is asked for"),
            supports("vers=4", "version 4 is asked for"),
            supports("Unable to mount root fs via NFS", "the mount failed"),
            supports("/proc/fs/nfsd/versions", "somebody looked at the server's versions"),
        ],
        fixes: &[
            fix("name it: `nfsroot=SERVER:/PATH,vers=3,tcp` (old kernels ask for 2 by themselves)"),
            fix("or switch the version on at the server: `vers3=y` under [nfsd] in /etc/nfs.conf"),
        ],
        hides: &["init-exited", "live-medium-not-found", "root-param-missing",
            "nfs-not-in-initrd",
            "root-spec-wrong",
            "rootfs-wrong-image",
        ],
        decide: "`rpcinfo -p SERVER | grep 100003` against vers= on the command line",
        sources: &[
            "https://github.com/raspberrypi/firmware/issues/863",
            "https://github.com/raspberrypi/bookworm-feedback/issues/267",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-bad-option",
        sentence: "The NFS mount refuses an option that it was given.",
        signs: &[
            proof("mount.nfs: an incorrect mount option was specified"),
            proof("mount.nfs: Invalid argument"),
            proof("Root-NFS: Server returned error -22"),
            proof("nfs: Unknown parameter '{option}'")
                .says("The NFS mount does not know the option {option}."),
            proof("NFS: unrecognized mount option"),
            proof("Unsupported nfs mount option"),
            proof("nfsmount: bad option"),
            proof("bad option '{option}'").says("The mount program does not know the option {option}."),
            usual("Bad NFS option"),
            proof("fsconfig({call}): Invalid argument"),
            usual("nfsmount: need a server"),
        ],
        messages: messages::NFS_BAD_OPTION,
        fixes: &[
            fix(
                "leave out what this mount program does not know: klibc's nfsmount has no sec=, nfsvers=4, local_lock=",
            ),
            fix("check the commas: `nfsroot=SERVER:/PATH,vers=3,tcp,nolock`, without blanks"),
        ],
        hides: &["init-exited", "live-medium-not-found"],
        decide: "The same mount by hand in the initrd's shell, one option less each time",
        sources: &["klibc: usr/kinit/nfsmount", "linux: fs/nfs/fs_context.c"],
        ..BLANK
    },
    Cause {
        id: "nfs-access-denied",
        sentence: "The NFS server refuses this client.",
        signs: &[
            proof("access denied by server while mounting {path}")
                .says("The NFS server refuses to let this machine mount {path}."),
            proof("reason given by server: Permission denied"),
            proof("server replied: Permission denied"),
            proof("Root-NFS: Server returned error -13"),
            proof("refused mount request from {client} for {path}")
                .says("The NFS server refuses {client}, which asks for {path}."),
            usual("mount.nfs: Operation not permitted"),
            usual("mount.nfs: Permission denied"),
            usual("mountd{:any} no export entry for"),
            usual("unmatched host"),
            ipxe("023360"),
            ipxe("023560"),
            usual("mount: mounting {server}:/{path} on {folder} failed: Permission denied"),
            usual("mount.nfs4: Operation not permitted"),
            proof("mount call failed: 13"),
            proof("refused mount request from {client} for {path} ({export}): illegal port").says("The NFS server refuses {client}: it asks from a port above 1023."),
            proof("mount.nfs: mount(2): Permission denied"),
            proof("request from insecure port").says("The NFS server refuses the client: it asks from a port above 1023."),
        ],
        messages: messages::NFS_ACCESS_DENIED,
        fixes: &[
            fix(
                "export it to the boot network: `/srv/nfs 10.77.0.0/24(ro,no_root_squash,no_subtree_check)` in /etc/exports, `exportfs -ra`",
            ),
            fix("the client's port is above 1024 behind a NAT: `insecure` among the export's options"),
            fix(
                "its address changed between iPXE and the OS (another client id): export to the network, not to one address",
            ),
        ],
        hides: &["init-exited", "live-medium-not-found", "root-param-missing", "unit-timeout"],
        decide: "`exportfs -v` and mountd's log on the server: which address asked for which path",
        sources: &["klibc: usr/kinit/nfsmount", "https://github.com/rackerlabs/understack/pull/1928"],
        ..BLANK
    },
    Cause {
        id: "nfs-path-missing",
        sentence: "The NFS server does not export the path that is asked for.",
        signs: &[
            proof("server replied: No such file or directory"),
            proof("reason given by server: No such file or directory"),
            proof("Root-NFS: Server returned error -2"),
            proof("mount.nfs: mounting {path} failed, reason given by server"),
            proof("mountd{:any} can't stat exported dir {path}")
                .says("The NFS server exports {path}, which is not there."),
            usual("exportfs: Failed to stat {path}")
                .says("The NFS server exports {path}, which is not there."),
            usual("for {path}: no export entry"),
            usual("mount: mounting {server}:/{path} on {folder} failed: No such file or directory").unless(&["mounting /dev/"]),
            proof("mount call failed: 2"),
            proof("{path} does not support NFS export").says("{path} lies on a file system that cannot be exported (an overlay, a tmpfs without fsid=)."),
            usual("mount.nfs: mount(2): No such file or directory"),
            proof("{path} requires fsid= for NFS export").says("{path} is not exported: it lies on a file system without a UUID and wants `fsid=`."),
            usual("syntax error: bad option list").says("A line of /etc/exports cannot be understood, and is not exported."),
            usual("nfsmount: need a path").says("The NFS mount was given no path: the command line names none."),
        ],
        messages: messages::NFS_PATH_MISSING,
        clues: &[against("Permission denied", "the server refuses the client")],
        fixes: &[
            fix(
                "correct nfsroot= or root=nfs: it is the path on the server, from its /, as `showmount -e SERVER` shows it",
            ),
            fix("NFS 4 counts from its own root (`fsid=0`): the path is another one than for version 3"),
            fix("without a path the kernel asks for /tftpboot/ADDRESS"),
        ],
        hides: &["init-exited", "live-medium-not-found", "root-param-missing", "rootfs-wrong-image"],
        decide: "mountd's log on the server has the path asked for",
        sources: &["klibc: usr/kinit/nfsmount", "linux: fs/nfs/nfsroot.c"],
        ..BLANK
    },
    Cause {
        id: "nfs-lock-statd",
        sentence: "The NFS mount wants the locking daemon (rpc.statd), which is not running.",
        signs: &[
            proof("rpc.statd is not running but is required"),
            proof("Either use '-o nolock' to keep locks local"),
            usual("lockd: cannot monitor"),
            usual("statd: server {server} not responding"),
            usual("rpc.statd: {:any} failed"),
            usual("lockd_up: makesock failed"),
        ],
        messages: messages::NFS_LOCK_STATD,
        fixes: &[
            fix("add `nolock` to the mount's options (nfsroot=…,nolock): a read-only root needs no locks"),
            fix("or mount with version 4, which has its own"),
        ],
        hides: &["init-exited", "live-medium-not-found"],
        decide: "The message says it itself",
        sources: &[
            "https://github.com/poseidon/typhoon/pull/26",
            "https://github.com/xbianonpi/xbian/issues/398",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-hang-after-mount",
        sentence: "The root over NFS was mounted and then froze.",
        signs: &[
            usual("nfs: server {server} not responding, still trying")
                .says("The root over NFS froze: {server} does not answer any more."),
            usual("nfs: server {server} not responding, timed out")
                .says("The root over NFS froze: {server} does not answer any more."),
            usual("nfs: server {server} not responding"),
        ],
        clues: &[
            excludes("nfs: server {server} OK", "it answers again"),
            supports("Raise network interfaces", "the system set up the network that its root is on"),
            supports("Network Manager", "the system set up the network that its root is on"),
            supports("NetworkManager", "the system set up the network that its root is on"),
            supports("systemd-networkd", "the system set up the network that its root is on"),
            supports("blocked for more than", "programs wait for their files"),
            against("NETDEV WATCHDOG", "the card stopped sending"),
        ],
        fixes: &[
            fix_on(
                Debian,
                "leave the boot interface alone: `iface eth0 inet manual` in /etc/network/interfaces",
            ),
            fix_on(
                Ubuntu,
                "netplan: `critical: true` for the boot interface; networkd: `KeepConfiguration=yes`",
            ),
            fix_on(
                Dracut,
                "NetworkManager: keep the initrd's connection (`rd.neednet=1`, no second profile for this interface)",
            ),
            fix("server: more threads (`threads=16` under [nfsd]); network: the same MTU on the whole way"),
        ],
        hides: &["unit-timeout", "kernel-lockup", "network-wait-online"],
        decide: "Does the server see packets of the client while it hangs? None: its network was taken down; the same ones again: MTU or load",
        sources: &[
            "https://github.com/3mdeb/pxe-server/pull/15",
            "https://github.com/MentorEmbedded/meta-mentor/pull/35",
        ],
        ..BLANK
    },
    Cause {
        id: "nfs-stale-handle",
        sentence: "The NFS server no longer knows the files that this client has open.",
        signs: &[
            proof("Stale file handle").unless(&["TPM"]),
            proof("Stale NFS file handle"),
            proof("returned error -116"),
            ipxe("4a3360"),
            usual("NFS: server {server} error: fileid changed"),
        ],
        fixes: &[
            fix(
                "restart the boxes after the exported folder was replaced; build beside it and switch by `exportfs -ra`",
            ),
            fix("give the export a number that stays: `fsid=17` in /etc/exports"),
        ],
        hides: &["init-exited", "unit-timeout", "live-medium-not-found"],
        decide: "Do all running boxes say it at once? Then the server's folder was exchanged",
        sources: &["linux: fs/nfs", "ipxe: src/net/oncrpc/nfs.c"],
        ..BLANK
    },
    Cause {
        id: "nfs-root-squash",
        sentence: "The files of the root belong to the wrong users, or root may not read them: the export maps root to nobody.",
        signs: &[
            proof("must be owned by uid 0 and have the setuid bit set"),
            usual("chown: changing ownership of {file}: Operation not permitted")
                .says("root may not do what it must in the live system: {file} cannot be given away."),
            usual("is not owned by root"),
            usual("bad ownership or modes"),
            usual("/etc/shadow: Permission denied"),
            usual("Permission denied on /etc/shadow"),
            usual("is owned by uid 65534"),
            usual("is owned by uid 1000, should be 0"),
        ],
        clues: &[
            supports("nfsroot=", "the root is on NFS"),
            excludes("vfat", "the file system has no owners"),
        ],
        fixes: &[
            fix(
                "`no_root_squash` among the export's options, with `ro` so that nothing can be broken; `exportfs -ra`",
            ),
            fix("unpack the root as root on the server: `tar --numeric-owner -xpf`"),
        ],
        hides: &["unit-timeout", "readonly-root"],
        decide: "`ls -ln` of the files on the server: is the owner 0",
        sources: &["https://github.com/3mdeb/pxe-server/pull/15"],
        ..BLANK
    },
];
