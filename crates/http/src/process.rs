use std::{fs, str::FromStr};

/// Ticks of the clock in which Linux reports CPU and start times: 100 a second on every architecture it runs on here,
/// whatever the kernel's own rate is (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// What the kernel says about this process. A value that it does not give, or a system without `/proc`, is none.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Process {
    /// Bytes of memory in use.
    pub(crate) resident_bytes: Option<u64>,
    /// Seconds of CPU, in user and system mode.
    pub(crate) cpu_seconds: Option<f64>,
    /// When it started, in seconds since 1970.
    pub(crate) start_seconds: Option<f64>,
    /// Threads.
    pub(crate) threads: Option<u64>,
    /// Open files and sockets.
    pub(crate) open_fds: Option<u64>,
    /// How many files and sockets it may open.
    pub(crate) max_fds: Option<u64>,
}

impl Process {
    pub(crate) fn read() -> Self {
        let text = |path| fs::read_to_string(path).unwrap_or_default();
        let status = text("/proc/self/status");
        let stat = text("/proc/self/stat");
        let started: Option<f64> = stat_field(&stat, 22);
        let boot: Option<f64> = line_value(&text("/proc/stat"), "btime");
        let cpu = |field| stat_field::<f64>(&stat, field);
        Self {
            resident_bytes: line_value::<u64>(&status, "VmRSS:").map(|kibibytes| kibibytes << 10),
            cpu_seconds: cpu(14).zip(cpu(15)).map(|(user, system)| (user + system) / TICKS_PER_SECOND),
            start_seconds: boot.zip(started).map(|(boot, ticks)| boot + ticks / TICKS_PER_SECOND),
            threads: line_value(&status, "Threads:"),
            open_fds: fs::read_dir("/proc/self/fd").ok().map(|entries| entries.count() as u64),
            max_fds: line_value(&text("/proc/self/limits"), "Max open files"),
        }
    }
}

/// The first value on the line that begins with `name`.
fn line_value<T: FromStr>(text: &str, name: &str) -> Option<T> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_ascii_whitespace().next()?.parse().ok()
}

/// A field of `/proc/self/stat`, numbered as in proc(5). The second one is the program's name, which may hold spaces and
/// parentheses, so that counting begins after its end.
fn stat_field<T: FromStr>(stat: &str, number: usize) -> Option<T> {
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_fields_behind_an_odd_program_name() {
        let stat = "7 (a b) c) S 1 7 7 0 -1 4194304 1 0 0 0 250 50 0 0 20 0 9 0 4200 1 2";
        assert_eq!(stat_field::<f64>(stat, 14), Some(250.0));
        assert_eq!(stat_field::<f64>(stat, 22), Some(4200.0));
        assert_eq!(stat_field::<f64>("", 14), None);
        assert_eq!(stat_field::<f64>("7 (a) S", 14), None);
    }

    #[test]
    fn reads_values_by_the_name_of_their_line() {
        let text = "Name:\tx\nVmRSS:\t  1024 kB\nMax open files            4096  8192  files\n";
        assert_eq!(line_value(text, "VmRSS:"), Some(1024));
        assert_eq!(line_value(text, "Max open files"), Some(4096));
        assert_eq!(line_value::<u64>(text, "Name:"), None);
        assert_eq!(line_value::<u64>(text, "Threads:"), None);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn this_process_is_known_to_the_kernel() {
        let process = Process::read();
        assert!(process.resident_bytes.is_some_and(|bytes| bytes > 1 << 20));
        assert!(process.threads.is_some_and(|threads| threads > 0));
        assert!(process.open_fds.zip(process.max_fds).is_some_and(|(open, max)| 0 < open && open <= max));
        assert!(process.start_seconds.zip(process.cpu_seconds).is_some_and(|(start, cpu)| start > 1e9 && cpu >= 0.0));
    }
}
