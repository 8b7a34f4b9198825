//! What programs print of the causes in `kernel`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const CPU_UNSUPPORTED: &[Sign] = &[
    usual("traps: systemd[1] trap invalid opcode"),
    usual("This board requires newer software"),
    proof("operating system (OS) does not indicate support for Raspberry Pi"),
    proof("traps: init[{pid:number}] trap invalid opcode"),
    proof("The CPU in this host is not supported by ESXi"),
    proof("KB granular kernel is not supported by your CPU"),
    proof("start4.elf: is not compatible"),
    proof("Attempting to load a 64-bit application, however this CPU is not compatible"),
    proof("Error: unrecognized/unsupported processor variant"),
    proof("The Linux kernel requires more recent processor hardware"),
];

pub(in crate::catalogue) const INIT_CRASHED: &[Sign] = &[
    proof("Failed to start up manager"),
    proof("Refusing to run under cgroup v1"),
    proof("Failed to mount early API filesystems"),
    usual("systemd[1]: Failed to mount tmpfs"),
    usual("SELinux: {:any}Could not open policy file"),
    usual("Initial SELinux policy load failed"),
    usual("Failed to execute {shell}, giving up"),
    usual("Failed to determine whether /proc is a mount point"),
    proof("/sbin/init: symbol lookup error: {what:any}"),
    proof("/sbin/init: {library} version {version} not found"),
    usual("/bin/sh: error while loading shared libraries: {library}"),
    proof("FATAL: kernel too old"),
    proof("FATAL: Initial SELinux policy load failed"),
    proof("Unable to load SELinux Policy. Machine is in enforcing mode"),
    usual("Failed to mount cgroup at /sys/fs/cgroup/systemd"),
    proof("Failed to create /init.scope control group"),
    usual("SELinux:{:any}policydb version {version:number} does not match my version range"),
];

pub(in crate::catalogue) const INIT_MISSING: &[Sign] =
    &[proof("init: not found in path /sbin/init"), usual("run-init: {init}: Permission denied")];

pub(in crate::catalogue) const INITRD_NOT_LOADED: &[Sign] = &[
    usual("^Failed to open file: \\"),
    usual("EFI stub: ERROR: Failed to open file: {file}"),
    usual("EFI stub: ERROR: Failed to handle fs_proto"),
    proof("overlaps in-use memory region - disabling initrd"),
];

pub(in crate::catalogue) const KERNEL_CRASHED: &[Sign] = &[
    usual("Kernel panic: Fatal exception"),
    usual("^exit_boot() failed!"),
    usual("double fault: 0000 [#"),
    usual("BIOS has enabled x2apic but kernel doesn't support x2apic"),
    proof("corrupted stack end detected inside scheduler"),
    usual("Unable to handle kernel pointer dereference in virtual"),
    usual("Oops: Kernel access of bad area"),
    usual("kernel tried to execute NX-protected page"),
    usual("Timer doesn't work through Interrupt-remapped IO-APIC"),
    usual("x2apic: enabled by BIOS but kernel init failed"),
    usual("Unable to handle kernel access to user memory"),
    usual("Bad mode in {what:any} handler detected"),
    usual("Oops - illegal instruction [#1]"),
    usual("Oops - {what:any} fault [#1]"),
    usual("Internal error: synchronous external abort"),
    usual("(XEN) Domain 0 crashed"),
    usual("Hardware Dom{domain} crashed: {what:any}"),
    usual("A critical stop occurred during OS load"),
    usual("A runtime critical stop occurred"),
    usual("| Error during system startup | Asserted"),
    usual("| Run-time critical stop | Asserted"),
    usual("The CPU has been disabled by the guest operating system"),
    proof("Kernel panic - not syncing: Fatal exception"),
    usual("BUG: kernel NULL pointer dereference, address"),
    usual("BUG: unable to handle page fault for address"),
    usual("BUG: unable to handle kernel NULL pointer dereference at"),
    usual("Oops: {code:hex} [#1] PREEMPT SMP"),
    usual("general protection fault, {where:any}: {code:hex} [#1]"),
    usual("Unable to handle kernel NULL pointer dereference at virtual address"),
    usual("EFI stub: ERROR: exit_boot() failed!"),
    usual("EFI stub: ERROR: efi_stub_entry() failed!"),
    usual("EFI stub: ERROR: Exit boot services failed"),
    usual("Oops: {code:hex} [#1] SMP"),
    usual("BUG: unable to handle kernel paging request at"),
    usual("general protection fault: {code:hex} [#1]"),
    usual("invalid opcode: {code:hex} [#1]"),
    usual("divide error: {code:hex} [#1]"),
    usual("^kernel BUG at {file}!"),
    usual("Unable to handle kernel paging request at virtual address"),
    proof("Attempted to kill the idle task!"),
    proof("Aiee, killing interrupt handler!"),
    proof("stack-protector: Kernel stack is corrupted in"),
    proof("panic_on_warn set ..."),
    proof("PANIC: early exception {number} IP"),
    proof("PANIC: double fault, error_code"),
    usual("list_del corruption. {what:any} should be"),
    usual("IO-APIC + timer doesn't work!"),
    usual("#PF Exception 14 in world"),
    usual("Panic on CPU {cpu:number}:"),
    proof("(XEN) Xen BUG at {file}"),
    usual("Fatal trap {number:number}: {what:any} while in kernel mode"),
    usual("EFI stub: ERROR: Unable to construct new device tree"),
    proof("Unhandled fault: imprecise external abort"),
    usual("Failed to update FDT and exit boot services"),
];

pub(in crate::catalogue) const KERNEL_LOCKUP: &[Sign] = &[
    usual("OS boot watchdog timer failure"),
    usual("ASR Detected by System ROM"),
    usual("Kernel panic - not syncing: RCU Stall"),
    usual("kthread starved for {time:number} jiffies!"),
    usual("detected expedited stalls on CPUs/tasks"),
    usual("BUG: workqueue lockup - pool {what:any} stuck for"),
    proof("Kernel panic - not syncing: hung_task: blocked tasks"),
    usual("Worker [{worker:number}] processing SEQNUM={event:number} killed"),
];

pub(in crate::catalogue) const KERNEL_OOM: &[Sign] = &[
    usual("page allocation failure: order"),
    usual("Can not allocate SWIOTLB buffer earlier"),
    usual("Not enough RAM for domain 0 allocation"),
    usual("could not insert '{module}': Cannot allocate memory"),
    usual("of memory is required to continue installation without a swap partition"),
];

pub(in crate::catalogue) const RAM_TOO_SMALL_INITRD: &[Sign] = &[
    usual("RAMDISK: image too big! ("),
    usual("RAMDISK: incomplete write ("),
    proof("Cannot find place for new RAMDISK of size"),
    proof("Can't find new memory area for initrd needed"),
];

pub(in crate::catalogue) const ROOT_PARAM_MISSING: &[Sign] = &[
    usual("ALERT! does not exist. Dropping to a shell"),
    proof("Failed to mount '' on real root"),
    proof("/new_root: no valid filesystem type specified"),
    usual("/new_root: no filesystem type specified"),
    proof("mounting '' on real root"),
    proof("No init= parameter on the kernel command line"),
    usual("Root-NFS: No NFS server available"),
    usual("No root device for operation given"),
    proof("The DHCP Server did not send a valid root-path"),
    usual("'crypt_root' kernel command-line argument is not set"),
    proof("No OSTree target; expected ostree="),
    proof("No OSTree target; expected ostree"),
];

pub(in crate::catalogue) const GPU_MODESET_HANG: &[Sign] = &[
    usual("[drm] *ERROR* can't reserve VRAM"),
    usual("RmInitAdapter failed!"),
    usual("GPU HANG: ecode"),
    usual("Failed to initialize GPU, declaring it wedged"),
    usual("amdgpu: probe of {address} failed with error"),
    usual("radeon {address}: GPU lockup ("),
    usual("*ERROR* radeon: ring {ring:number} test failed"),
    usual("DRM: failed to create kernel channel"),
    usual("ring {ring:number} stalled for more than"),
    usual("i915 {address}: Device initialization failed ("),
    usual("fifo: SCHED_ERROR"),
    usual("failed to idle channel"),
    usual("*ERROR* ring {ring} timeout,"),
    usual("*ERROR* ring {ring} test failed ("),
    usual("atombios stuck in loop for more than"),
    usual("*ERROR* hw_init of IP block"),
    usual("radeon {device}: Fatal error during GPU init"),
];
