use std::{
    io::{BufRead, BufReader, Read},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Arc, Mutex},
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

/// How long a program may take to end when it is asked to.
const GRACE: Duration = Duration::from_secs(3);

/// The folder of the project.
pub(crate) fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Where `make clients` puts JavaScript libraries.
pub(crate) fn node_modules() -> PathBuf {
    let folder = project().join("target/clients/node_modules");
    assert!(folder.exists(), "{} is missing: `make clients` installs it", folder.display());
    folder
}

/// Somebody else's program, in a process of its own; it ends with the test.
pub(crate) struct Program {
    name: String,
    child: Child,
    printed: Output,
    complained: Output,
}

/// What is read of a program's output, and who reads it.
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: JoinHandle<()>,
}

impl Program {
    /// Starts it with a small environment, so that neither a proxy nor a language of this machine matters, and with a home
    /// that goes with the test.
    pub(crate) fn start(name: &str, home: &Path, command: &mut Command) -> Self {
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .env_clear()
            .env("PATH", format!("{path}:/usr/sbin"))
            .env("HOME", home)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name}: {error}; `make clients` installs it"));
        let printed = Output::of(child.stdout.take().expect("it is piped"));
        let complained = Output::of(child.stderr.take().expect("it is piped"));
        Self { name: name.to_owned(), child, printed, complained }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// All lines that it wrote to its standard output.
    pub(crate) fn printed(&self) -> Vec<String> {
        self.printed.read()
    }

    /// All lines that it wrote to its standard error.
    pub(crate) fn complained(&self) -> Vec<String> {
        self.complained.read()
    }

    /// How it ended, once it has and all that it wrote was read.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        let read = self.printed.reader.is_finished() && self.complained.reader.is_finished();
        self.child.try_wait().expect("it is ours").filter(|_| read)
    }

    pub(crate) fn signal(&self, signal: &str) {
        send(signal, self.pid());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // A proxy has processes of its own, which it ends only when it is asked politely.
            send("TERM", self.pid());
            let asked = Instant::now();
            while matches!(self.child.try_wait(), Ok(None)) && asked.elapsed() < GRACE {
                thread::sleep(Duration::from_millis(5));
            }
        }
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(signal: &str, pid: u32) {
    // Who has ended meanwhile gets none.
    let _ = Command::new("kill").args(["-s", signal, &pid.to_string()]).stderr(Stdio::null()).status();
}

impl Output {
    fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::<Mutex<Vec<String>>>::default();
        let shared = Arc::clone(&lines);
        let reader = thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                shared.lock().expect("no thread panicked").push(line);
            }
        });
        Self { lines, reader }
    }

    fn read(&self) -> Vec<String> {
        self.lines.lock().expect("no thread panicked").clone()
    }
}
