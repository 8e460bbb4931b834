//! Facts asked of Prometheus 3.5.3 by its `--web.external-url`, or from the documentation of `net`.

use proptest::prelude::*;

use super::*;

#[track_caller]
fn check(text: &str, scheme: &str, host: &str, path: &str) {
    let expected = Url {
        scheme: scheme.to_owned(),
        host: host.to_owned(),
        path: path.to_owned(),
    };
    assert_eq!(parse(text), Ok(expected), "{text}");
}

#[track_caller]
fn refused(text: &str, expected: &str) {
    let error = parse(text).expect_err("no URL").to_string();
    assert_eq!(error, expected, "{text}");
}

#[test]
fn text_stays_what_it_was() {
    check("http://a:80/b/../c/", "http", "a:80", "/b/../c/");
    check("HTTP://Host", "http", "Host", "");
    check("http://u:p@h/%20x?q#f", "http", "h", "/ x");
    check("http://[::1]:9/x", "http", "[::1]:9", "/x");
    check("http://[fe80::1%25eth0]/", "http", "[fe80::1%eth0]", "/");
    check("http://b%C3%BCcher:1/", "http", "bücher:1", "/");
    check("http://a:/", "http", "a:", "/");
}

#[test]
fn urls_may_be_relative_or_opaque() {
    check("/prefix/", "", "", "/prefix/");
    check("prefix", "", "", "prefix");
    check("//host/p", "", "host", "/p");
    check("///p", "", "", "///p");
    check("http:///p", "http", "", "/p");
    check("localhost:9090", "localhost", "", "");
    check("", "", "", "");
}

#[test]
fn what_is_no_url_is_refused_in_the_words_of_the_language() {
    let prefix = |text: &str, reason: &str| {
        refused(
            text,
            &format!("parse {}: {reason}", crate::quote::quote(text)),
        );
    };
    prefix("http://%zz", "invalid URL escape \"%zz\"");
    prefix("http://a/%4", "invalid URL escape \"%4\"");
    prefix("http://a%20b/", "invalid URL escape \"%20\"");
    prefix("http://a b/", "invalid character \" \" in host name");
    prefix("http://a:x/", "invalid port \":x\" after host");
    prefix("http://[::1/", "missing ']' in host");
    prefix("http://[::1]x/", "invalid port \"x\" after host");
    prefix("http://x[::1]/", "invalid IP-literal");
    prefix("http://u^@h/", "net/url: invalid userinfo");
    prefix(":x", "missing protocol scheme");
    prefix("1:x", "first path segment in URL cannot contain colon");
    prefix("a\u{7f}", "net/url: invalid control character in URL");
    refused(
        "http://a:x/#f",
        "parse \"http://a:x/\": invalid port \":x\" after host",
    );
    refused(
        "http://a/#%4",
        "parse \"http://a/#%4\": invalid URL escape \"%4\"",
    );
}

#[test]
fn addresses_are_split_at_their_port() {
    for (address, expected) in [
        ("a:1", Ok(("a", "1"))),
        (":1", Ok(("", "1"))),
        ("a:", Ok(("a", ""))),
        ("[::1]:1", Ok(("::1", "1"))),
        ("a", Err("missing port in address")),
        ("", Err("missing port in address")),
        ("[::1]", Err("missing port in address")),
        ("[::1]x:1", Err("missing port in address")),
        ("::1", Err("too many colons in address")),
        ("a:b:1", Err("too many colons in address")),
        ("[::1]:2:1", Err("too many colons in address")),
        ("[::1:1", Err("missing ']' in address")),
        ("a[b:1", Err("unexpected '[' in address")),
        ("a]b:1", Err("unexpected ']' in address")),
        ("[a[b]:1", Err("unexpected '[' in address")),
        ("[a]:1]", Err("unexpected ']' in address")),
    ] {
        let expected = expected.map_err(|reason| format!("address {address}: {reason}"));
        assert_eq!(split_host_port(address), expected);
    }
    assert_eq!(join_host_port("::1", "1"), "[::1]:1");
    assert_eq!(join_host_port("a", "1"), "a:1");
}

#[test]
fn origins_are_printed_with_what_they_have() {
    for (scheme, host, expected) in [
        ("http", "a:1", "http://a:1"),
        ("", "a", "//a"),
        ("http", "", "http://"),
        ("", "", ""),
        ("http", "bücher <\">", "http://b%C3%BCcher%20<\">"),
    ] {
        let mut out = String::new();
        push_origin(&mut out, scheme, host);
        assert_eq!(out, expected);
    }
}

proptest! {
    #[test]
    fn escaped_text_reads_back(text: String) {
        for part in [Part::Path, Part::Query, Part::User] {
            let mut escaped = String::new();
            push_escaped(&mut escaped, &text, part);
            prop_assert_eq!(unescape(&escaped, part), Ok(text.clone().into_bytes()));
        }
    }

    #[test]
    fn any_text_is_a_url_or_none(text in "[a-z:/@%?#\\[\\]0-9. -]{0,24}") {
        if let Ok(url) = parse(&text) {
            let mut origin = String::new();
            push_origin(&mut origin, &url.scheme, &url.host);
            prop_assert_eq!(parse(&origin).map(|read| read.host), Ok(url.host));
        }
    }

    #[test]
    fn split_addresses_are_joined_again(host in "[a-z.:]{0,9}", port in "[0-9a-z]{0,5}") {
        let joined = join_host_port(&host, &port);
        prop_assert_eq!(split_host_port(&joined), Ok((host.as_str(), port.as_str())));
    }
}
