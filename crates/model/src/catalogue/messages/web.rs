//! What programs print of the causes in `web`, message by message.

use crate::catalogue::{Sign, proof, usual};

pub(in crate::catalogue) const HTTP_404: &[Sign] = &[
    usual("Server denied you to change to the given directory"),
    usual("Failed to retrieve the preconfiguration file"),
    usual("installation will proceed in non-automated mode"),
    usual("insecure not specified and signature not found"),
    proof("image fetch failed: 404"),
    proof("stream metadata fetch from {url:any} failed: 404"),
    usual("failed to fetch config: resource not found"),
    usual("Image URL unavailable: {url:any}"),
    usual("Image signature unavailable: {url:any}"),
    proof("Response from Foreman 404"),
    proof("Not found: {path:any}/warewulf/provision/{file:any}"),
    usual("cannot be located on a distribution point"),
    usual("Failed to resolve selected task sequence dependencies"),
    usual("System error 67 has occurred"),
    usual("is not found (2: No such file or directory), client:"),
    usual("DocumentRoot [{dir:any}] does not exist"),
];

pub(in crate::catalogue) const HTTP_CONN_RESET: &[Sign] = &[
    usual("Connection closed at byte {byte:number}. Retrying"),
    usual("^No data received."),
    usual("Read error at byte {place} ("),
    usual("... Connection aborted ("),
    proof("net/tcp.c:{line:number}:connection refused"),
    usual("Received 0x80072efd from WinHttpSendRequest"),
];

pub(in crate::catalogue) const HTTP_FORBIDDEN: &[Sign] = &[
    usual("The requested URL returned error: 407"),
    usual("curl: (67) Access denied"),
    usual("directory index of '{folder}' is forbidden"),
    proof("stat() '{file}' failed (13: Permission denied)"),
    proof("access forbidden by rule, client: {client}"),
    usual("AH01276: Cannot serve directory {folder}"),
    usual("TCP_DENIED/403"),
    usual("TCP_DENIED/407"),
    proof("avc:{:any}denied{:any}comm='httpd'{:any}tclass=file"),
    proof("avc:{:any}denied{:any}comm='nginx'{:any}tclass=file"),
    usual("SELinux is preventing {program}httpd from {right} access on the file"),
    usual("Incorrect asset key for node: {node}"),
    proof("image fetch failed: 403"),
    usual("Connection OK. Possible cause: invalid credentials"),
    usual("System error 1272 has occurred"),
    proof("System error 86 has occurred"),
    proof("System error 1326 has occurred"),
    proof("pcfg_openfile: unable to check htaccess file"),
    usual("AH01797: client denied by server configuration"),
];

pub(in crate::catalogue) const HTTP_SERVER_ERROR: &[Sign] = &[
    usual("while reading response header from upstream"),
    usual("AH00957: {what:any}attempt to connect to"),
    usual("AH01114: HTTP: failed to make connection to backend"),
    usual("Timeout when reading response headers from daemon process"),
    proof("backend {name} has no server available!"),
    usual("is DOWN, reason: Layer4 {what:any}"),
    usual("TCP_MISS/503"),
    usual("avc:{:any}name_connect{:any}comm='nginx'"),
    proof("ipxe.org/1c0c61{code:hex}"),
    proof("Response from Foreman 5{code:number}"),
    usual("unsupported HTTP response"),
    proof("error reading status line from remote server"),
    proof("rewrite or internal redirection cycle"),
    proof("AH01071: Got error 'PHP message: PHP Fatal error"),
    proof("AH00898: DNS lookup failure for"),
];

pub(in crate::catalogue) const HTTP_TIMEOUT: &[Sign] = &[
    usual("nf_conntrack: table full, dropping packet"),
    usual("[UFW BLOCK]{:any}PROTO=TCP{:any}DPT=80"),
    usual("... Host unreachable ("),
    usual("HTTP has failed, localbooting"),
    usual("server reached MaxRequestWorkers setting"),
];

pub(in crate::catalogue) const TLS_CERT_REFUSED: &[Sign] = &[
    usual("alert bad certificate"),
    usual("alert unknown ca"),
    usual("alert certificate unknown"),
    usual("remote error: tls: unknown certificate authority"),
    proof("remote error: tls: bad certificate"),
    usual("ipxe.org/0216e{code:hex}"),
    proof("ipxe.org/0227e1{code:hex}"),
    proof("Could not verify: Permission denied"),
    usual("Could not boot image: Permission denied"),
    proof("Fingerprint did not match"),
    usual("ipxe.org/022fe2{code:hex}"),
    usual("TlsDoHandshake SSL_HANDSHAKE_ERROR"),
];

pub(in crate::catalogue) const TLS_HANDSHAKE: &[Sign] = &[proof("can't execute 'ssl_client'")];
