use std::{fs, thread::available_parallelism};

/// The machine in one line: whoever compares figures must know it.
pub(crate) fn machine() -> String {
    let cores = available_parallelism().map_or(1, usize::from);
    let model = value("/proc/cpuinfo", "model name").unwrap_or_else(|| "unknown CPU".to_owned());
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let kibibytes = value("/proc/meminfo", "MemTotal").and_then(|text| text.strip_suffix(" kB")?.parse::<f64>().ok());
    let memory = kibibytes.map_or(0.0, |kibibytes| kibibytes / f64::from(1 << 20));
    format!("{cores} cores ({model}), {memory:.0} GiB, Linux {}", kernel.trim())
}

/// Seconds that all cores together were busy since the machine started, whoever made them so (`/proc/stat`, proc(5)).
pub(crate) fn busy() -> f64 {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let fields: Vec<f64> =
        text.split_ascii_whitespace().skip(1).map_while(|field| field.parse().ok()).take(8).collect();
    // Idle and waiting for a disk are the fourth and the fifth.
    let idle = fields.get(3..5).map_or(0.0, |idle| idle.iter().sum());
    (fields.iter().sum::<f64>() - idle) / 100.0
}

fn value(file: &str, key: &str) -> Option<String> {
    let text = fs::read_to_string(file).ok()?;
    let line = text.lines().find_map(|line| line.split_once(':').filter(|(name, _)| name.trim() == key))?;
    Some(line.1.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_is_described_and_was_busy() {
        assert!(machine().contains(" cores (") && machine().contains("Linux "), "{}", machine());
        assert!(busy() > 0.0);
    }
}
