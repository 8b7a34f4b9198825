//! What a DHCP server says and hears, without a socket or a clock.
