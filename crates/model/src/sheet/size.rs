//! Sizes as people write them: `512MiB`, `8G`.

/// A size as it is written in a line, exact: `512MiB`, `3TiB`, `1000 octets`.
pub fn words(octets: u64) -> String {
    for (shift, unit) in [(40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")] {
        if octets > 0 && octets.trailing_zeros() >= shift {
            return format!("{}{unit}", octets >> shift);
        }
    }
    format!("{octets} octets")
}

/// Reads a size: digits and a unit. Units are powers of 1024, as partition tools have it; `GB` is refused
/// because half of all people read it as 10⁹.
pub fn read(text: &str) -> Result<u64, &'static str> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|character: char| character.is_ascii_digit()).len();
    let (number, unit) = text.split_at(digits);
    if number.is_empty() {
        return Err("it does not begin with a number");
    }
    let shift = match unit.trim() {
        "" | "B" => 0,
        "K" | "KiB" => 10,
        "M" | "MiB" => 20,
        "G" | "GiB" => 30,
        "T" | "TiB" => 40,
        "KB" | "MB" | "GB" | "TB" | "kB" => {
            return Err("units are `KiB`, `MiB`, `GiB` and `TiB`, powers of 1024");
        }
        _ => return Err("its unit is unknown"),
    };
    let number: u64 = number.parse().map_err(|_| "it is too large")?;
    number.checked_mul(1 << shift).ok_or("it is too large")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A size decides where a partition ends; a misread unit is a misplaced file system.
    #[test]
    fn sizes() {
        assert_eq!(read("512MiB"), Ok(512 << 20));
        assert_eq!(read("8G"), Ok(8 << 30));
        assert_eq!(read("4 GiB"), Ok(4 << 30));
        assert_eq!(read("2T"), Ok(2 << 40));
        assert_eq!(read("4096"), Ok(4096));
        assert_eq!(read("4GB"), Err("units are `KiB`, `MiB`, `GiB` and `TiB`, powers of 1024"));
        assert_eq!(read("all"), Err("it does not begin with a number"));
        assert_eq!(read("1.5G"), Err("its unit is unknown"));
        assert_eq!(read("-1G"), Err("it does not begin with a number"));
        assert_eq!(read("99999999T"), Err("it is too large"));
        assert_eq!(words(512 << 20), "512MiB");
        assert_eq!(words(4097), "4097 octets");
    }
}
