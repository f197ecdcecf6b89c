use std::{
    io::{Read as _, Write as _},
    net::TcpListener,
    thread,
};

use super::*;

/// Answers one request after the other with these responses; the URL of the first.
fn serve(responses: Vec<Vec<u8>>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/jwks", listener.local_addr().unwrap());
    thread::spawn(move || {
        for response in responses {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                socket.read_exact(&mut byte).unwrap();
                request.extend(byte);
            }
            // A client that has seen enough may hang up before the end.
            let _ = socket.write_all(&response);
        }
    });
    url
}

fn response(status: &str, body: &[u8]) -> Vec<u8> {
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    [head.as_bytes(), body].concat()
}

/// What comes of these responses, the later ones for whoever asks again.
fn fetched(responses: Vec<Vec<u8>>) -> Result<String, FetchError> {
    actix_rt::System::new().block_on(async {
        let url = serve(responses);
        text(&client(Vec::new()).await, &url).await
    })
}

#[test]
fn only_a_complete_answer_with_status_200_is_taken() {
    assert_eq!(fetched(vec![response("200 OK", b"{}")]).unwrap(), "{}");
    for status in ["204 No Content", "404 Not Found", "500 Internal Server Error"] {
        let failed = fetched(vec![response(status, b"")]).unwrap_err();
        assert!(matches!(failed, FetchError::Status(code) if status.starts_with(&code.to_string())), "{failed}");
    }
    let cut = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{".to_vec();
    let failed = fetched(vec![cut]);
    assert!(matches!(failed, Err(FetchError::Http(HttpError::Unreachable(_)))), "{failed:?}");
    assert!(matches!(fetched(vec![response("200 OK", b"\xff")]), Err(FetchError::NotText)));
}

#[test]
fn redirects_are_not_followed() {
    let elsewhere = serve(vec![response("200 OK", b"{}")]);
    let redirect = format!("HTTP/1.1 302 Found\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n");
    assert!(matches!(fetched(vec![redirect.into_bytes()]), Err(FetchError::Status(302))));
}

#[test]
fn an_answer_over_the_limit_is_not_read_to_its_end() {
    assert_eq!(fetched(vec![response("200 OK", &[b' '; MAX_JWKS])]).unwrap().len(), MAX_JWKS);
    let failed = fetched(vec![response("200 OK", &[b' '; MAX_JWKS + 1])]).unwrap_err();
    assert!(matches!(failed, FetchError::Http(HttpError::TooLarge)), "{failed}");
}
