//! Causes of the stage `image` that an installer meets: what it was told, and the packages it installs. Definitions only; how they
//! are found in a log is `diagnosis`'s.

use super::System::{Debian, Dracut, Ubuntu};
use super::messages::installer as messages;
use super::{BLANK, Cause, fix, fix_on};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "answer-file-invalid",
        sentence: "The installer cannot use its answer file (preseed, kickstart, autoinstall): it has a mistake, or an answer is missing.",
        messages: messages::ANSWER_FILE_INVALID,
        fixes: &[
            fix_on(
                Debian,
                "`debconf-set-selections --checkonly FILE`; lines must not be wrapped, the last one ends with a newline",
            ),
            fix_on(
                Dracut,
                "`ksvalidator FILE` names the line; a kickstart of another release has other commands",
            ),
            fix_on(Ubuntu, "`cloud-init schema --config-file FILE`, and `#cloud-config` in its first line"),
        ],
        hides: &["unit-timeout", "init-exited"],
        decide: "The line that the message names",
        sources: &[
            "preseed: debian/preseed-common.templates",
            "pykickstart: pykickstart/errors.py",
            "subiquity: subiquity/server/server.py",
        ],
        ..BLANK
    },
    Cause {
        id: "answer-file-command-failed",
        sentence: "A command of the answer file (late_command, %post, late-commands) failed, and the installer stopped there.",
        messages: messages::ANSWER_FILE_COMMAND_FAILED,
        fixes: &[
            fix(
                "run it by hand where it ran: in the target (`in-target`, `chroot /mnt/sysimage`, `curtin in-target`) or outside of it",
            ),
            fix(
                "exit code 127 is a program that is not there, 126 one that may not be executed, 100 apt without its archive",
            ),
            fix_on(Debian, "/var/log/syslog on console 4 has its output"),
            fix_on(Dracut, "`%post --log=/root/post.log`; `--erroronfail` is what stops the installation"),
        ],
        hides: &["unit-timeout"],
        decide: "The command's own output, above the message",
        sources: &[
            "preseed: preseed_command",
            "anaconda: pyanaconda/core/kickstart/scripts.py",
            "subiquity: subiquity/server/controllers/cmdlist.py",
        ],
        ..BLANK
    },
    Cause {
        id: "package-install-failed",
        sentence: "A package could not be installed in the target.",
        messages: messages::PACKAGE_INSTALL_FAILED,
        fixes: &[
            fix_on(
                Debian,
                "the lines above from `dpkg:` name the package and its reason; `chroot /target apt-get -f install`",
            ),
            fix_on(
                Dracut,
                "`rpm -Va` and `dnf install` in `chroot /mnt/sysimage`; a scriptlet's output is above the message",
            ),
            fix("a mirror that changes while it is read: use a snapshot, or one mirror for everything"),
            fix("a full disk: `df` in the target"),
        ],
        hides: &["answer-file-command-failed"],
        decide: "The first line of `dpkg:`, `rpm` or `dnf` that names a package",
        sources: &[
            "debian-installer: base-installer, pkgsel",
            "dpkg: src/main/errors.c",
            "rpm: lib/psm.c",
            "curtin: curtin/commands/curthooks.py",
        ],
        ..BLANK
    },
];
