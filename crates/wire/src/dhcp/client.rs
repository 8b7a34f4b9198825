//! What a DHCP client says and hears, without a socket or a clock.
