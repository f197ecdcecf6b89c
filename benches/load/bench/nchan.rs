use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    thread::available_parallelism,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{
    http::get,
    process::{Process, Usage},
    rig::Rig,
    wait::until,
};

/// Where Debian has it, by the packages `nginx-light` and `libnginx-mod-nchan`.
const NGINX: &str = "/usr/sbin/nginx";
const MODULE: &str = "/usr/lib/nginx/modules/ngx_nchan_module.so";

/// How it is set up: as a user would, with limits that the cells do not reach. Upper-case words are replaced.
const CONFIG: &str = "\
load_module MODULE;
daemon off;
user root;
worker_processes WORKERS;
worker_rlimit_nofile 20000;
pid FOLDER/nginx.pid;
error_log FOLDER/error.log warn;
events { worker_connections 19000; use epoll; }
http {
  access_log off;
  client_body_temp_path FOLDER/body;
  proxy_temp_path FOLDER/proxy;
  fastcgi_temp_path FOLDER/fastcgi;
  uwsgi_temp_path FOLDER/uwsgi;
  scgi_temp_path FOLDER/scgi;
  keepalive_requests 100000000;
  keepalive_timeout 3600s;
  tcp_nodelay on;
  nchan_shared_memory_size 512M;
  server {
    listen ADDRESS backlog=4096 reuseport;
    location ~ ^/events/(.+)$ {
      nchan_subscriber eventsource;
      nchan_channel_id $1;
      nchan_subscriber_first_message newest;
    }
    location ~ ^/pushes/(.+)$ {
      nchan_publisher;
      nchan_channel_id $1;
      nchan_message_buffer_length 1000;
      nchan_message_timeout 10m;
    }
  }
}
";

/// Where nginx and its module are. Nothing when they are not installed.
#[derive(Clone, Debug)]
pub(crate) struct Installed {
    nginx: PathBuf,
    module: PathBuf,
}

/// nginx with the module nchan: a server that is built for the same, and that stores in memory only.
#[derive(Debug)]
pub(crate) struct Nchan(Process);

impl Installed {
    /// Looks where Debian's packages put it, or for the module where it is said to be.
    pub(crate) fn find(module: Option<&Path>) -> Option<Self> {
        let (nginx, module) = (PathBuf::from(NGINX), module.unwrap_or(Path::new(MODULE)).to_owned());
        (nginx.is_file() && module.is_file()).then_some(Self { nginx, module })
    }
}

impl Nchan {
    pub(crate) fn start(rig: &Rig, installed: &Installed, addr: SocketAddr) -> Result<Self> {
        let folder = rig.file("nchan");
        fs::create_dir(&folder)?;
        let path = |path: &Path| path.to_str().map(str::to_owned).context("a path that is no text");
        // As many as the cores that this thread, and so the child, may use.
        let workers = available_parallelism().map_or(1, usize::from);
        let config = CONFIG
            .replace("MODULE", &path(&installed.module)?)
            .replace("FOLDER", &path(&folder)?)
            .replace("WORKERS", &workers.to_string())
            .replace("ADDRESS", &addr.to_string());
        let file = folder.join("nginx.conf");
        fs::write(&file, config)?;
        let log = path(&folder.join("error.log"))?;
        let arguments = ["-p".to_owned(), path(&folder)?, "-c".to_owned(), path(&file)?, "-e".to_owned(), log];
        let mut server = Self(Process::spawn(&installed.nginx, &arguments, &rig.log("nchan.log"))?);
        until("nchan", Duration::from_secs(10), || {
            server.0.check().err().map(Err).or_else(|| get(addr, "/").ok().map(|_| Ok(())))
        })??;
        Ok(server)
    }

    pub(crate) fn usage(&self) -> Result<Usage> {
        self.0.family_usage()
    }
}

impl Drop for Nchan {
    fn drop(&mut self) {
        self.0.dismiss();
    }
}
