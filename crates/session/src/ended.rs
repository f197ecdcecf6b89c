use crate::{CloseFrame, Ended, Ending, Lane};

/// Longest text that is passed on, in bytes.
const LONGEST_TEXT: usize = 256;

impl Ended {
    /// The summary of an ending.
    pub(crate) fn new(ending: &Ending, reason: impl Into<String>, lane: Lane) -> Self {
        let detail = match ending {
            Ending::Resolve(error)
            | Ending::Connect(error)
            | Ending::BadUpgrade(error)
            | Ending::Subprotocol(error)
            | Ending::Io(error)
            | Ending::Tls { error, .. }
            | Ending::Proxy { error, .. }
            | Ending::Protocol { error, .. } => Some(clean(error)).filter(|detail| !detail.is_empty()),
            _ => None,
        };
        let close = match ending {
            Ending::Closed(CloseFrame { code, text }) => Some(CloseFrame { code: *code, text: clean(text) }),
            _ => None,
        };
        Self { reason: reason.into(), detail, lane, close }
    }
}

/// Fit for a line of a log: the other side may have chosen some of it.
fn clean(text: &str) -> String {
    let mut clean = String::new();
    for char in text.chars().map(|char| if char.is_control() { ' ' } else { char }) {
        if clean.len() + char.len_utf8() > LONGEST_TEXT {
            break;
        }
        clean.push(char);
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detail(text: &str) -> Option<String> {
        Ended::new(&Ending::Io(text.to_owned()), "io", Lane::Backoff).detail
    }

    #[test]
    fn details_are_short_and_without_control_characters() {
        assert_eq!(detail("reset\r\nby \u{1b}[31mpeer").as_deref(), Some("reset  by  [31mpeer"));
        assert_eq!(detail(&"ä".repeat(200)).map(|text| text.len()), Some(256));
        assert_eq!(detail(&format!("{}ä", "x".repeat(255))).map(|text| text.len()), Some(255), "whole characters");
        assert_eq!(detail(""), None);
    }

    #[test]
    fn every_text_of_a_library_is_passed_on() {
        let text = || "said".to_owned();
        let endings = [
            Ending::Resolve(text()),
            Ending::Connect(text()),
            Ending::Tls { error: text(), certificate: false },
            Ending::BadUpgrade(text()),
            Ending::Proxy { error: text(), status: None },
            Ending::Subprotocol(text()),
            Ending::Io(text()),
            Ending::Protocol { error: text(), code: 1002 },
        ];
        for ending in endings {
            let ended = Ended::new(&ending, "why", Lane::Backoff);
            assert_eq!((ended.detail.as_deref(), ended.close), (Some("said"), None), "{ending:?}");
        }
    }

    #[test]
    fn a_close_keeps_its_code_and_its_text_cleaned() {
        let close = CloseFrame { code: Some(4001), text: "bye\nnow".to_owned() };
        let ended = Ended::new(&Ending::Closed(close), "closed_4001", Lane::Backoff);
        assert_eq!(ended.close, Some(CloseFrame { code: Some(4001), text: "bye now".to_owned() }));
        assert_eq!(ended.detail, None);
    }
}
