//! The recordings: one case of one adapter a line.

use serde::Deserialize;

use crate::wire::Form;

/// What a real Phoenix 1.7 server, under cowboy or bandit, did with one client.
#[derive(Clone, Debug, Deserialize)]
pub struct Recording {
    pub case: String,
    pub adapter: String,
    pub steps: Vec<Step>,
    pub adapters_agree: Option<bool>,
    pub order_timing_dependent: bool,
}

#[derive(Clone, Debug, Deserialize)]
pub struct Step {
    pub dir: String,
    pub kind: String,
    #[serde(default)]
    pub request: Vec<String>,
    pub status_line: Option<String>,
    #[serde(default)]
    pub headers: Vec<String>,
    pub body: Option<String>,
    pub text: Option<String>,
    pub hex: Option<String>,
    pub len: Option<usize>,
    pub code: Option<u16>,
    pub reason: Option<String>,
    pub fin: Option<u8>,
    pub rsv: Option<u8>,
    pub mask: Option<bool>,
}

pub fn all() -> Vec<Recording> {
    let text = include_str!("../../vectors/phoenix.jsonl");
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a recording"))
        .collect()
}

impl Recording {
    pub fn name(&self) -> String {
        format!("{} ({})", self.case, self.adapter)
    }
}

impl Step {
    pub fn is_from_server(&self) -> bool {
        self.dir == "s2c"
    }

    /// Returns the frame form of a client's step.
    pub fn form(&self) -> Form {
        let opcode = match self.kind.as_str() {
            "cont" => 0,
            "text" => 1,
            "binary" => 2,
            "close" => 8,
            "ping" => 9,
            other => panic!("no client sends {other}"),
        };
        Form {
            opcode,
            fin: self.fin != Some(0),
            rsv: self.rsv.unwrap_or(0),
            mask: self.mask.unwrap_or(true),
        }
    }

    /// Returns the frame's payload; one of which only the size is known is made up.
    pub fn payload(&self, case: &str) -> Vec<u8> {
        if let Some(hex) = self.hex.as_deref().filter(|hex| !hex.contains('…')) {
            return unhex(hex);
        }
        if let Some(text) = self.text.as_deref().filter(|text| !text.contains('…')) {
            return text.as_bytes().to_vec();
        }
        let len = self.len.expect("a size at least");
        let payload = match case {
            "json_deep_nesting" => {
                let (head, tail) = ("[null,\"5\",\"phoenix\",\"heartbeat\",", "]");
                let depth = (len - head.len() - tail.len()) / 2;
                format!("{head}{}{}{tail}", "[".repeat(depth), "]".repeat(depth))
            }
            "oversize_64k_fragmented" => "x".repeat(len),
            _ => {
                let topic = if case.starts_with("big_text") {
                    "room:golden"
                } else {
                    "room:s"
                };
                let (head, tail) = (
                    format!("[\"1\",\"2\",\"{topic}\",\"mediaEvent\",{{\"data\":\""),
                    "\"}]",
                );
                format!("{head}{}{tail}", "x".repeat(len - head.len() - tail.len()))
            }
        };
        assert_eq!(
            payload.len(),
            len,
            "{case}: the made-up frame has the recorded size"
        );
        payload.into_bytes()
    }

    /// Returns the request's bytes, for a server at `port`; what was shortened is made up.
    pub fn request_bytes(&self, port: u16) -> Vec<u8> {
        let mut request = String::new();
        for line in &self.request {
            let line = renumber(line, port);
            if line.contains("…(10000)") {
                let long = line.replace("aaaa…(10000)", &"a".repeat(10_000));
                request.push_str(&format!("{long}\r\n"));
            } else if line.starts_with("X-Big: ") {
                request.push_str(&format!("X-Big: {}\r\n", "b".repeat(20_000)));
            } else if line == "…200 headers" {
                for number in 2..200 {
                    request.push_str(&format!("X-{number}: 1\r\n"));
                }
            } else {
                request.push_str(&format!("{line}\r\n"));
            }
        }
        assert!(!request.contains('…'), "everything shortened is made up");
        request.push_str("\r\n");
        request.into_bytes()
    }
}

/// Puts our port in the place of the recorded servers' ports.
fn renumber(line: &str, port: u16) -> String {
    let is_address = line.starts_with("Host: ") || line.starts_with("Origin: http://localhost");
    match line.rsplit_once(':') {
        Some((head, _)) if is_address => format!("{head}:{port}"),
        _ => line.to_owned(),
    }
}

pub fn unhex(text: &str) -> Vec<u8> {
    let digit = |at: usize| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(digit).collect()
}
