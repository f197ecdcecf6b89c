use std::{
    path::{Path, PathBuf},
    process::Command,
};

use super::rig::HOST;
use crate::{
    program::{Program, project},
    stack::until,
};

/// The proxies that have a recipe.
#[derive(Clone, Copy, Debug)]
pub(super) enum Proxy {
    Nginx,
    Caddy,
    Haproxy,
}

/// What of a host name is the gateway's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// All of it.
    Everything,
    /// What is below `server.base_path`.
    BasePath,
}

impl Route {
    pub(super) fn base_path(self) -> &'static str {
        match self {
            Self::Everything => "",
            Self::BasePath => "/push",
        }
    }
}

/// What is not as in the recipe.
pub(super) struct Place<'a> {
    /// What it passes.
    pub(super) route: Route,
    /// Where its files are.
    pub(super) folder: &'a Path,
    /// Where it listens, on loopback.
    pub(super) port: u16,
    /// Where the gateway listens.
    pub(super) gateway: u16,
    /// Where the gateway's admin listener is.
    pub(super) admin: u16,
}

impl Place<'_> {
    fn file(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }
}

impl Proxy {
    fn recipe(self) -> &'static str {
        match self {
            Self::Nginx => "nginx.conf",
            Self::Caddy => "Caddyfile",
            Self::Haproxy => "haproxy.cfg",
        }
    }

    /// What stands in the recipe, and what stands there in a test. Silences of a minute become three seconds, the time that old
    /// processes may live after a reload one, and the time between two health checks a fifth of one.
    fn changes(self, place: &Place<'_>) -> Vec<(&'static str, String)> {
        let port = place.port;
        let mut changes = vec![("127.0.0.1:8080", format!("127.0.0.1:{}", place.gateway))];
        match self {
            Self::Nginx => changes.extend([
                ("user www-data;", String::new()),
                ("worker_processes auto;", "worker_processes 1;".to_owned()),
                ("worker_rlimit_nofile 65536;", String::new()),
                ("worker_connections 32768;", "worker_connections 256;".to_owned()),
                ("/run/nginx.pid", place.file("nginx.pid")),
                ("/var/log/nginx/", place.file("")),
                ("worker_shutdown_timeout 60s", "worker_shutdown_timeout 1s".to_owned()),
                ("proxy_read_timeout 60s", "proxy_read_timeout 3s".to_owned()),
                ("listen 443 ", format!("listen 127.0.0.1:{port} ")),
                ("listen [::]:443 ssl http2;", String::new()),
                ("/etc/ssl/push.example.com.pem", place.file("cert.pem")),
                ("/etc/ssl/private/push.example.com.key", place.file("key.pem")),
            ]),
            Self::Caddy => changes.extend([
                ("/run/caddy/admin.sock", place.file("admin.sock")),
                ("/var/log/caddy/", place.file("")),
                ("auto_https disable_redirects", format!("auto_https disable_redirects\n\thttps_port {port}")),
                ("read_timeout 60s", "read_timeout 3s".to_owned()),
                ("push.example.com {", format!("{HOST} {{\n\tbind 127.0.0.1")),
                ("health_port 9090", format!("health_port {}", place.admin)),
                ("health_interval 1s", "health_interval 200ms".to_owned()),
                ("/etc/caddy/push.example.com.pem", place.file("cert.pem")),
                ("/etc/caddy/push.example.com.key", place.file("key.pem")),
            ]),
            Self::Haproxy => changes.extend([
                ("user haproxy", String::new()),
                ("group haproxy", String::new()),
                ("maxconn 30000", "maxconn 100".to_owned()),
                ("/dev/log", "stdout format raw".to_owned()),
                ("hard-stop-after 60s", "hard-stop-after 1s".to_owned()),
                ("timeout client 60s", "timeout client 3s".to_owned()),
                ("timeout server 60s", "timeout server 3s".to_owned()),
                ("bind :443", format!("bind 127.0.0.1:{port}")),
                ("check port 9090 inter 1s", format!("check port {} inter 200ms", place.admin)),
                ("/etc/haproxy/push.example.com.pem", place.file("both.pem")),
            ]),
        }
        changes
    }

    /// What has to be other for a base path: the lines of `docs/proxies.md`.
    fn changes_for_base_path(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Nginx => &[("location / {", "location /push/ {")],
            Self::Caddy => &[("reverse_proxy 127.0.0.1:8080 {", "reverse_proxy /push/* 127.0.0.1:8080 {")],
            Self::Haproxy => &[
                ("use_backend streams if {", "use_backend streams if { path_beg /push/ } {"),
                ("default_backend requests", "use_backend requests if { path_beg /push/ }"),
            ],
        }
    }

    /// Writes the recipe with these changes into the folder.
    fn write(self, place: &Place<'_>) -> PathBuf {
        let recipe = project().join("docs/proxies").join(self.recipe());
        let mut text = std::fs::read_to_string(recipe).expect("the recipe is there");
        let mut change = |from: &str, to: &str| {
            assert!(text.contains(from), "{from} is not in the recipe");
            text = text.replace(from, to);
        };
        if place.route == Route::BasePath {
            let page = std::fs::read_to_string(project().join("docs/proxies.md")).expect("the page is there");
            for (from, to) in self.changes_for_base_path() {
                assert!(page.contains(from) && page.contains(to), "the page does not say: {to}");
                change(from, to);
            }
        }
        for (from, to) in self.changes(place) {
            change(from, &to);
        }
        let file = place.folder.join(self.recipe());
        std::fs::write(&file, text).expect("the folder is writable");
        file
    }

    /// Runs it in the foreground.
    pub(super) fn start(self, place: &Place<'_>) -> Program {
        let file = self.write(place);
        let mut command;
        match self {
            Self::Nginx => {
                command = Command::new("nginx");
                command.args(["-g", "daemon off;", "-p"]).arg(place.folder).arg("-c").arg(file);
            }
            Self::Caddy => {
                command = Command::new("caddy");
                command.args(["run", "--adapter", "caddyfile", "--config"]).arg(file);
            }
            Self::Haproxy => {
                // A master with workers, as Debian's unit starts it.
                command = Command::new("haproxy");
                command.args(["-W", "-db", "-f"]).arg(file);
            }
        }
        Program::start(self.recipe(), place.folder, &mut command)
    }

    /// Has the running one read its configuration again, as the units of Debian do.
    pub(super) async fn reload(self, running: &Program, folder: &Path) {
        match self {
            Self::Nginx => running.signal("HUP"),
            Self::Haproxy => running.signal("USR2"),
            Self::Caddy => {
                let mut command = Command::new("caddy");
                command
                    .args(["reload", "--force", "--adapter", "caddyfile", "--config"])
                    .arg(folder.join(self.recipe()));
                let mut reload = Program::start("caddy reload", folder, &mut command);
                let status = until("the reload", || {
                    let ended = reload.ended();
                    async move { ended }
                })
                .await;
                assert!(status.success(), "{:?}", reload.complained());
            }
        }
    }

    /// Whether the recipe ends old streams a while after a reload. Caddy may let them go on.
    pub(super) fn cuts_after_a_reload(self) -> bool {
        !matches!(self, Self::Caddy)
    }

    /// Its log of requests.
    pub(super) fn log(self, running: &Program, folder: &Path) -> String {
        match self {
            Self::Haproxy => running.printed().join("\n"),
            Self::Nginx | Self::Caddy => std::fs::read_to_string(folder.join("access.log")).unwrap_or_default(),
        }
    }
}
