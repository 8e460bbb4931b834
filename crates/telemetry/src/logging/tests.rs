//! The shape of log lines.

use std::sync::Arc;
use std::time::Duration;

use super::*;

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// What `log` prints, with the source's line number cut out.
fn printed(level: LogLevel, format: LogFormat, log: impl FnOnce()) -> String {
    let lines = Lines::default();
    let mut layer = LogLayer::new(level, format, lines.clone());
    layer.now = || SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_486_701_889_500);
    tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
    let text = String::from_utf8(lines.0.lock().clone()).expect("lines are UTF-8");
    let mut out = String::new();
    for line in text.lines() {
        let (head, tail) = line
            .split_once("tests.rs:")
            .expect("every line has a source");
        let digits = tail
            .find(|c: char| !c.is_ascii_digit())
            .expect("text behind the number");
        out.push_str(&format!("{head}tests.rs:N{}\n", &tail[digits..]));
    }
    out
}

#[test]
fn logfmt_puts_fields_in_order_behind_the_message() {
    let text = printed(LogLevel::Info, LogFormat::Logfmt, || {
        tracing::info!(component = "web", address = %"[::]:9090", n = 3, "Start listening");
        tracing::error!(ratio = 0.5, ok = true, "plain");
        tracing::debug!("never seen");
    });
    assert_eq!(
        text,
        "time=2026-11-24T02:18:21.889Z level=INFO source=tests.rs:N msg=\"Start listening\" \
         component=web address=[::]:9090 n=3\n\
         time=2026-11-24T02:18:21.889Z level=ERROR source=tests.rs:N msg=plain ratio=0.5 ok=true\n"
    );
}

#[test]
fn json_has_the_same_keys_and_the_full_time() {
    let text = printed(LogLevel::Debug, LogFormat::Json, || {
        tracing::warn!(err = %"a \"b\"\n", count = 7_u64, "Oh");
    });
    assert_eq!(
        text,
        "{\"time\":\"2026-11-24T02:18:21.8895Z\",\"level\":\"WARN\",\"source\":\"tests.rs:N\",\
         \"msg\":\"Oh\",\"err\":\"a \\\"b\\\"\\n\",\"count\":7}\n"
    );
}

#[test]
fn values_are_quoted_only_where_slog_does() {
    let check = |text: &str, expected: &str| assert_eq!(logfmt_value(text), expected);
    check("", "\"\"");
    check("plain", "plain");
    check("back\\slash", "back\\slash");
    check("a b", "\"a b\"");
    check("a=b", "\"a=b\"");
    check("say \"x\"", "\"say \\\"x\\\"\"");
    check("line\nbreak", "\"line\\nbreak\"");
    check("é", "é");
    check("27.561µs", "27.561µs");
}

#[test]
fn a_huge_value_does_not_make_a_huge_line() {
    let text = printed(LogLevel::Info, LogFormat::Logfmt, || {
        tracing::info!(value = %"é".repeat(LINE_BYTES_MAX), "big");
    });
    assert!(text.len() <= LINE_BYTES_MAX + 8);
}

#[test]
fn levels_and_formats_are_read_from_flags() {
    assert_eq!("WARN".parse(), Ok(LogLevel::Warn));
    assert_eq!(
        "foo".parse::<LogLevel>().map_err(|err| err.to_string()),
        Err("unrecognized log level foo".to_owned())
    );
    assert_eq!("json".parse(), Ok(LogFormat::Json));
    assert_eq!(
        "x".parse::<LogFormat>().map_err(|err| err.to_string()),
        Err("unrecognized log format x".to_owned())
    );
}
