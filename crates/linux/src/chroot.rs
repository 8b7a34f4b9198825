//! Children that run inside a root of their own: own mounts, processes, host name and no network.
//!
//! Used to configure packages in a root that is being built. Nothing of it outlives the child: its mounts go
//! with their namespace, its daemons with theirs. It keeps mistakes in, not enemies: packages are trusted.

use crate::process::Child;
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat, symlink};
use rustix::io::Errno;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::thread::UnshareFlags;
use std::ffi::CStr;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};

/// Character devices that programs expect everywhere: name, major, minor (Documentation/admin-guide/devices.txt).
const DEVICES: [(&str, u32, u32); 6] =
    [("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0)];

/// Links of `/dev` that shells and scripts use.
const LINKS: [(&str, &str); 5] = [
    ("/proc/self/fd", "fd"),
    ("/proc/self/fd/0", "stdin"),
    ("/proc/self/fd/1", "stdout"),
    ("/proc/self/fd/2", "stderr"),
    ("pts/ptmx", "ptmx"),
];

/// Host name that scripts in the root see: the same on every machine, so that what they write is too.
const HOST_NAME: &[u8] = b"localhost";

/// System calls that only wait for a disk. A root that is not finished is thrown away after a crash, so
/// waiting protects nothing; dpkg alone would wait some thousand times.
const WAITS: [libc::c_long; 6] = [
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync,
    libc::SYS_syncfs,
    libc::SYS_msync,
    libc::SYS_sync_file_range,
];

impl Child {
    /// Runs it with `root` as its `/`, in mount, process, host name and network namespaces of its own, with
    /// `/proc`, `/sys` (read-only), a small `/dev`, and empty `/run` and `/tmp`. Waiting for the disk is skipped.
    ///
    /// Needs root. The program's path is one inside `root`; so is [`Child::in_folder`]'s.
    pub fn in_root(mut self, root: &Path) -> Child {
        let root = root.to_owned();
        // SAFETY: between fork and exec only system calls are made, on paths that were made beforehand.
        // The short paths joined there may allocate, which glibc allows after its own `fork`.
        unsafe {
            self.command_mut().pre_exec(move || enter(&root));
        }
        self
    }
}

/// Runs in the child, before exec. Returns in the grandchild, which is process 1 of its namespace; the child
/// itself only waits for it, because a process cannot move into a new process namespace, only its children can.
fn enter(root: &Path) -> std::io::Result<()> {
    let apart = UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWNET;
    // SAFETY: this process has one thread (it was just forked) and shares no file descriptors by CLONE_FILES.
    unsafe { rustix::thread::unshare_unsafe(apart)? };
    leave_with_parent()?;
    // SAFETY: the child continues with system calls only, until exec.
    match unsafe { libc::fork() } {
        -1 => return Err(std::io::Error::last_os_error()),
        0 => {}
        child => wait_and_exit(child),
    }
    leave_with_parent()?;
    furnish(root)?;
    rustix::system::sethostname(HOST_NAME)?;
    rustix::process::chroot(root)?;
    rustix::process::chdir("/")?;
    rustix::process::umask(Mode::WGRP | Mode::WOTH);
    skip_waiting()?;
    Ok(())
}

/// Whoever started this may be killed; then this is killed too, and with it the whole process namespace.
fn leave_with_parent() -> std::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL))?;
    Ok(())
}

/// Ends as the grandchild ended.
fn wait_and_exit(child: libc::pid_t) -> ! {
    let mut status: libc::c_int = 0;
    // SAFETY: plain system calls. The descriptors are closed because one of them is the pipe by which the
    // standard library learns that exec happened: held open here, it would wait for the end instead.
    unsafe {
        libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0);
        while libc::waitpid(child, &raw mut status, 0) == -1 {
            if *libc::__errno_location() != libc::EINTR {
                libc::_exit(125);
            }
        }
        if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            libc::signal(signal, libc::SIG_DFL);
            libc::raise(signal);
        }
        libc::_exit(libc::WEXITSTATUS(status))
    }
}

/// Mounts what programs expect below `root`.
fn furnish(root: &Path) -> std::io::Result<()> {
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    let quiet = MountFlags::NOSUID | MountFlags::NOEXEC | MountFlags::NODEV;
    let own = MountFlags::NOSUID | MountFlags::NODEV;
    put("proc", &root.join("proc"), quiet, c"")?;
    put("sysfs", &root.join("sys"), quiet | MountFlags::RDONLY, c"")?;
    put("tmpfs", &root.join("run"), own, c"mode=0755")?;
    put("tmpfs", &root.join("tmp"), own, c"mode=1777")?;
    let dev = root.join("dev");
    put("tmpfs", &dev, MountFlags::NOSUID, c"mode=0755")?;
    rustix::process::umask(Mode::empty());
    for (name, major, minor) in DEVICES {
        mknodat(
            CWD,
            dev.join(name),
            FileType::CharacterDevice,
            Mode::from_raw_mode(0o666),
            makedev(major, minor),
        )?;
    }
    for (target, name) in LINKS {
        symlink(target, dev.join(name))?;
    }
    rustix::fs::mkdir(dev.join("pts"), Mode::from_raw_mode(0o755))?;
    rustix::fs::mkdir(dev.join("shm"), Mode::from_raw_mode(0o1777))?;
    put(
        "devpts",
        &dev.join("pts"),
        MountFlags::NOSUID | MountFlags::NOEXEC,
        c"newinstance,ptmxmode=0666,mode=0620",
    )?;
    Ok(())
}

fn put(kind: &str, at: &PathBuf, flags: MountFlags, options: &CStr) -> Result<(), Errno> {
    mount(kind, at, kind, flags, options)
}

/// Lets the calls of [`WAITS`] succeed at once, for this process and all its children.
fn skip_waiting() -> std::io::Result<()> {
    // Classic BPF over `struct seccomp_data` (linux/seccomp.h): word 4 is the architecture, word 0 the number.
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let back = (libc::BPF_RET | libc::BPF_K) as u16;
    let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let count = WAITS.len() as u8;
    // AUDIT_ARCH_X86_64 (linux/audit.h). Another architecture's call numbers are let through unread.
    let mut program = [step(back, 0, 0, libc::SECCOMP_RET_ALLOW); WAITS.len() + 5];
    program[0] = step(load, 0, 0, 4);
    program[1] = step(equal, 0, count + 1, 0xc000_003e);
    program[2] = step(load, 0, 0, 0);
    for (at, call) in (0u8..).zip(WAITS) {
        program[3 + usize::from(at)] = step(equal, count - at, 0, call as u32);
    }
    // The last but one lets through, the last answers "done" without doing.
    program[WAITS.len() + 4] = step(back, 0, 0, libc::SECCOMP_RET_ERRNO);
    let filter = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
    // SAFETY: `filter` points to a program that lives until the call returns; the kernel copies it.
    // No PR_SET_NO_NEW_PRIVS: root may install a filter without, and set-user-ID programs of scripts keep working.
    let done = unsafe { libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const filter) };
    if done == -1 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a package's script sees and what it leaves behind: its own processes only, no network, and
    /// nothing mounted afterwards.
    #[test]
    fn system_a_child_in_a_root_is_alone() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let folder = tempfile::tempdir().unwrap();
        for name in ["proc", "sys", "dev", "run", "tmp", "bin"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        std::fs::copy("/bin/busybox", folder.path().join("bin/busybox")).unwrap();
        let script = "/bin/busybox echo pid $$; /bin/busybox hostname; /bin/busybox ls /sys/class/net; \
            /bin/busybox sync; /bin/busybox ls /dev; /bin/busybox touch /tmp/gone /kept; exit 3";
        let child = Child::at("/bin/busybox").args(["sh", "-c", script]).in_root(folder.path());
        let (status, out, err) = child.spawn_and_wait().unwrap();
        assert_eq!(status.code(), Some(3), "{}", String::from_utf8_lossy(&err));
        expect_test::expect![[r#"
            pid 1
            localhost
            lo
            fd
            full
            null
            ptmx
            pts
            random
            shm
            stderr
            stdin
            stdout
            tty
            urandom
            zero
        "#]]
        .assert_eq(&String::from_utf8_lossy(&out));
        let left = |name: &str| std::fs::read_dir(folder.path().join(name)).unwrap().count();
        assert_eq!((left("dev"), left("tmp"), left("run"), left("proc")), (0, 0, 0, 0));
        assert!(folder.path().join("kept").exists());
    }

    /// More output than a pipe holds, while the standard library still waits for exec, must not hang.
    #[test]
    fn system_large_output_passes() {
        if std::env::var_os("BOOTWORKS_TEST_SYSTEM").is_none() {
            eprintln!("skipped: needs BOOTWORKS_TEST_SYSTEM=1 (root)");
            return;
        }
        let out =
            Child::at("/bin/sh").args(["-c", "head -c 1000000 /dev/zero"]).in_root(Path::new("/")).run();
        assert_eq!(out.unwrap().len(), 1_000_000);
    }
}
