//! Causes of the stage `rom` in the machine around its ROMs: the firmware itself, and the BMC that switches it on.
//! Definitions only; how they are found in a log is `diagnosis`'s.

use super::messages::machine as messages;
use super::{BLANK, Cause, fix};

/// In the order of the way.
pub const CAUSES: &[Cause] = &[
    Cause {
        id: "bmc-no-access",
        sentence: "The machine's BMC does not answer, or does not let the deployment server in: nobody switches the machine on.",
        messages: messages::BMC_NO_ACCESS,
        fixes: &[
            fix(
                "from the deployment server: `ipmitool -I lanplus -H BMC -U USER power status`, or `curl -k -u USER https://BMC/redfish/v1/Systems`",
            ),
            fix(
                "in the BMC: IPMI over LAN (or Redfish) on, a user with the right ADMINISTRATOR and a password of at most 20 letters",
            ),
            fix("the way there: the BMC's own network, udp/623 and tcp/443"),
        ],
        hides: &["http-unreachable"],
        decide: "Does `ipmitool … power status` answer from the deployment server, and from a machine on the BMC's own network",
        sources: &[
            "ipmitool: src/plugins/lanplus/lanplus.c",
            "MAAS: src/provisioningserver/drivers/power",
            "ironic: ironic/drivers/modules/ipmitool.py",
        ],
        ..BLANK
    },
    Cause {
        id: "uefi-crash",
        sentence: "The UEFI firmware, or a program that it ran, crashed.",
        messages: messages::UEFI_CRASH,
        fixes: &[
            fix("bring the firmware up to date"),
            fix("another build of the boot program: `snponly.efi` for `ipxe.efi`, a newer GRUB or shim"),
            fix("leave out option ROMs of cards that are not needed"),
        ],
        hides: &["nbp-wrong-arch", "console-missing", "rom-exit"],
        decide: "Does the firmware crash without any boot file as well",
        sources: &["EDK2: UefiCpuPkg/Library/CpuExceptionHandlerLib"],
        ..BLANK
    },
    Cause {
        id: "firmware-waits",
        sentence: "The firmware found something in the machine's self-test, and waits for somebody to press a key.",
        messages: messages::FIRMWARE_WAITS,
        fixes: &[
            fix(
                "read what stands above its prompt: a changed memory or processor, a lost cache of the RAID controller, a missing keyboard, a fan",
            ),
            fix(
                "a machine without a keyboard: turn off `Halt on` / `Wait For 'F1' If Error` in the firmware's setup, once the reason is known",
            ),
            fix("from afar: the BMC's console (`ipmitool sol activate`, its web page)"),
        ],
        hides: &["no-bootable-device", "rom-exit"],
        decide: "The machine's own screen, and the BMC's event log (`ipmitool sel list`)",
        sources: &["Dell, HPE and Lenovo: lists of POST messages", "AMI: Aptio V status codes"],
        ..BLANK
    },
];
