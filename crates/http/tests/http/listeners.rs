use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use pushgate_http::{HttpError, bind};

use crate::gateway::{Gateway, config, deps};

#[test]
fn an_address_in_use_is_named() {
    let gateway = Gateway::start();
    for taken in [gateway.public, gateway.admin] {
        let mut config = config();
        config.admin.bind = taken;
        let error = bind(config, deps()).unwrap_err();
        assert!(matches!(error, HttpError::Bind { addr, .. } if addr == taken), "{error}");
        assert!(error.to_string().contains(&taken.to_string()), "{error}");
    }
}

#[test]
fn an_open_admin_listener_needs_a_token() {
    let mut config = config();
    config.admin.bind = SocketAddr::from(([0, 0, 0, 0], 0));
    assert!(matches!(bind(config.clone(), deps()), Err(HttpError::TokenRequired { .. })));
    config.admin.token = Some("secret".into());
    assert!(bind(config, deps()).is_ok());
}

#[test]
fn a_stopped_gateway_frees_its_addresses() {
    let mut gateway = Gateway::start();
    gateway.stop();
    let mut config = config();
    config.public.bind = gateway.public;
    config.admin.bind = gateway.admin;
    assert!(bind(config, deps()).is_ok());
}

#[test]
fn a_head_that_does_not_arrive_is_given_up() {
    let gateway = Gateway::start_with(|config| config.public.head_timeout = Duration::from_millis(100));
    for addr in [gateway.public, gateway.admin] {
        let mut socket = TcpStream::connect(addr).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        socket.write_all(b"GET /events/acme HTTP/1.1\r\nHost: localhost\r\nX-Slow: ").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).expect("the server closes the connection");
        assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    }
}
