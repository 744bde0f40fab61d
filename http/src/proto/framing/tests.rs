//! Tests of the rules, from bytes to verdict: first each field by itself, then the families of requests that two parties read
//! differently, then the table as such.

use super::*;
use crate::proto::{FieldSlot, RequestParser};
use BodyFraming::{Chunked, Length, Tunnel, UntilClose};
use proptest::prelude::*;

/// What a request comes to, parser and rules together.
fn whole(bytes: &str) -> Result<Framing, Refusal> {
    let mut slots = [FieldSlot::default(); 16];
    let head = RequestParser::default()
        .parse(bytes.as_bytes(), &mut slots)?
        .expect("the head is whole");
    Framing::of(&head.view(bytes.as_bytes(), &slots), 1000)
}

fn framing_of(version: &str, fields: &str) -> Result<Framing, Refusal> {
    whole(&format!("POST / {version}\r\n{fields}\r\n"))
}

fn framing(fields: &str) -> Result<Framing, Refusal> {
    framing_of("HTTP/1.1", &format!("Host: a\r\n{fields}"))
}

fn body(fields: &str) -> Result<BodyFraming, Refusal> {
    framing(fields).map(|framing| framing.body)
}

/// RFC 9112, section 6.3, item 7.
#[test]
fn no_length_is_no_body() {
    assert_eq!(body(""), Ok(Length(0)));
}

/// RFC 9110, section 8.6.
#[test]
fn lengths() {
    assert_eq!(body("Content-Length: 0\r\n"), Ok(Length(0)));
    assert_eq!(body("cOnTeNt-LeNgTh: 999\r\n"), Ok(Length(999)));
    assert_eq!(body("Content-Length: 0012\r\n"), Ok(Length(12)));
    for bad in [
        "",
        "+5",
        "-5",
        "5 5",
        "0x5",
        "5,",
        ",5",
        "5, 5",
        "5, 6",
        "5;a",
        "5.0",
        "5e1",
        "٥",
        "5h",
        "0b1",
        "1_0",
        "\"5\"",
        "18446744073709551616",
        "99999999999999999999999999",
        "5\t5",
        "five",
    ] {
        assert_eq!(
            body(&format!("Content-Length: {bad}\r\n")),
            Err(Refusal::ContentLength),
            "{bad}"
        );
    }
    let most = "Content-Length: 18446744073709551615\r\n";
    assert_eq!(body(most), Err(Refusal::BodyTooLarge));
}

#[test]
fn the_longest_body() {
    assert_eq!(body("Content-Length: 999\r\n"), Ok(Length(999)));
    assert_eq!(body("Content-Length: 1000\r\n"), Ok(Length(1000)));
    assert_eq!(body("Content-Length: 1001\r\n"), Err(Refusal::BodyTooLarge));
}

/// RFC 9112, section 6.3, item 5.
#[test]
fn repeated_lengths_are_refused_even_when_equal() {
    for second in ["5", "6", "05", "0", "", "x"] {
        for order in [["5", second], [second, "5"]] {
            let fields = order
                .map(|value| format!("Content-Length: {value}\r\n"))
                .concat();
            assert_eq!(
                body(&fields),
                Err(Refusal::ContentLengthRepeated),
                "{fields}"
            );
        }
    }
}

/// RFC 9112, sections 6.1 and 6.3.
#[test]
fn codings() {
    for (value, expected) in [
        ("chunked", Ok(Chunked)),
        ("Chunked", Ok(Chunked)),
        ("  chunked\t ", Ok(Chunked)),
        ("gzip, chunked", Err(Refusal::CodingUnsupported)),
        ("gzip", Err(Refusal::TransferEncoding)),
        ("identity", Err(Refusal::TransferEncoding)),
        ("identity, chunked", Err(Refusal::CodingUnsupported)),
        ("xchunked", Err(Refusal::TransferEncoding)),
        ("chunked;q=1", Err(Refusal::TransferEncoding)),
        ("\"chunked\"", Err(Refusal::TransferEncoding)),
        ("chunked chunked", Err(Refusal::TransferEncoding)),
        ("chun ked", Err(Refusal::TransferEncoding)),
        ("chunked\u{a0}", Err(Refusal::TransferEncoding)),
        ("cow", Err(Refusal::TransferEncoding)),
        ("chunked, gzip", Err(Refusal::TransferEncoding)),
        ("chunked, identity", Err(Refusal::TransferEncoding)),
        ("chunked, chunked", Err(Refusal::TransferEncoding)),
        ("", Err(Refusal::TransferEncoding)),
        (",", Err(Refusal::TransferEncoding)),
        (",chunked", Err(Refusal::TransferEncoding)),
        ("chunked,", Err(Refusal::TransferEncoding)),
    ] {
        let coding = format!("Transfer-Encoding: {value}\r\n");
        assert_eq!(body(&coding), expected, "{value}");
        for both in [
            format!("{coding}Content-Length: 5\r\n"),
            format!("Content-Length: 0\r\n{coding}"),
        ] {
            assert_eq!(body(&both), Err(Refusal::LengthAndCoding), "{value}");
        }
        let old = framing_of("HTTP/1.0", &coding);
        assert_eq!(old, Err(Refusal::CodingInOldVersion), "{value}");
    }
    for split in [
        ["chunked", "chunked"],
        ["chunked", "identity"],
        ["chunked", ""],
    ] {
        let split = split
            .map(|value| format!("Transfer-Encoding: {value}\r\n"))
            .concat();
        assert_eq!(body(&split), Err(Refusal::TransferEncoding), "{split}");
    }
    let split = "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n";
    assert_eq!(body(split), Err(Refusal::CodingUnsupported));
}

/// RFC 9112, section 3.2.
#[test]
fn hosts() {
    assert_eq!(framing_of("HTTP/1.1", ""), Err(Refusal::HostMissing));
    assert!(framing_of("HTTP/1.0", "").is_ok());
    for version in ["HTTP/1.0", "HTTP/1.1"] {
        for good in ["a:80", "", "[::1]:80", "127.0.0.1"] {
            assert!(
                framing_of(version, &format!("hOST: {good}\r\n")).is_ok(),
                "{good}"
            );
        }
        for second in ["a", "b", ""] {
            let twice = framing_of(version, &format!("Host: a\r\nHost: {second}\r\n"));
            assert_eq!(twice, Err(Refusal::HostRepeated));
        }
        for bad in [
            "a/b", "a b", "a, b", "a@b", "http://a", "a:b", "a:80:80", "[::1", "a#", "a?",
            "\u{e4}", "a%41", "%",
        ] {
            assert_eq!(
                framing_of(version, &format!("Host: {bad}\r\n")),
                Err(Refusal::Host),
                "{bad}"
            );
        }
    }
}

/// RFC 9112, sections 3.2.2 to 3.2.4; RFC 9110, sections 9.3.6 and 9.3.8.
#[test]
fn targets_of_each_form() {
    let plain = Ok((Length(0), true, None));
    let of = |line: &str, fields: &str| {
        let whole = whole(&format!("{line} HTTP/1.1\r\n{fields}\r\n"));
        whole.map(|framing| (framing.body, framing.keep_alive, framing.switch))
    };
    assert_eq!(of("GET http://a/b", "Host: a\r\n"), plain);
    assert_eq!(of("GET http://A:80/b", "Host: a\r\n"), plain);
    assert_eq!(of("GET http://a/b", "Host: b\r\n"), Err(Refusal::HostOther));
    assert_eq!(of("GET http://a/b", "Host:\r\n"), Err(Refusal::HostOther));
    assert_eq!(of("GET http://a/b", ""), Err(Refusal::HostMissing));
    assert_eq!(of("OPTIONS *", "Host: a\r\n"), plain);
    assert_eq!(of("GET *", "Host: a\r\n"), Err(Refusal::Target));
    assert_eq!(of("GET a:80", "Host: a\r\n"), Err(Refusal::Target));

    let connect = Ok((Length(0), false, Some(Switch::Connect)));
    assert_eq!(of("CONNECT a:80", "Host: a:80\r\n"), connect);
    assert_eq!(
        of("CONNECT a:80", "Host: a\r\nContent-Length: 0\r\n"),
        connect
    );
    for host in ["b", "b:80", "a:81", ""] {
        let other = of("CONNECT a:80", &format!("Host: {host}\r\n"));
        assert_eq!(other, Err(Refusal::HostOther), "{host}");
    }
    assert_eq!(of("CONNECT /", "Host: a\r\n"), Err(Refusal::Target));
    assert_eq!(of("TRACE /", "Host: a\r\nContent-Length: 0\r\n"), plain);
    for field in ["Content-Length: 1", "Transfer-Encoding: chunked"] {
        for line in ["CONNECT a:80", "TRACE /", "TRACE http://a/"] {
            assert_eq!(
                of(line, &format!("Host: a\r\n{field}\r\n")),
                Err(Refusal::BodyForbidden),
                "{line}"
            );
        }
        assert!(of("GET http://a/", &format!("Host: a\r\n{field}\r\n")).is_ok());
    }
}

/// RFC 9112, section 9.3.
#[test]
fn persistence() {
    for (version, connection, keep_alive) in [
        ("HTTP/1.1", "", true),
        ("HTTP/1.1", "keep-alive", true),
        ("HTTP/1.1", "close", false),
        ("HTTP/1.1", "Close", false),
        ("HTTP/1.1", "keep-alive, close", false),
        ("HTTP/1.1", "close, keep-alive", false),
        ("HTTP/1.1", "upgrade ,CLOSE", false),
        ("HTTP/1.1", ",, close", false),
        ("HTTP/1.1", "closed", true),
        ("HTTP/1.1", "x-close", true),
        ("HTTP/1.0", "", false),
        ("HTTP/1.0", "keep-alive", true),
        ("HTTP/1.0", "Keep-Alive", true),
        ("HTTP/1.0", "x, keep-alive", true),
        ("HTTP/1.0", "keep-alive, close", false),
    ] {
        let framing = framing_of(version, &format!("Host: a\r\nConnection: {connection}\r\n"));
        assert_eq!(
            framing.map(|f| f.keep_alive),
            Ok(keep_alive),
            "{version} {connection}"
        );
    }
    let twice = framing("Connection: keep-alive\r\nConnection: close\r\n");
    assert_eq!(twice.map(|framing| framing.keep_alive), Ok(false));
}

/// RFC 9110, section 7.6.1.
#[test]
fn options_that_would_have_the_framing_dropped() {
    for bad in [
        "content-length",
        "Transfer-Encoding",
        "close, HOST",
        "keep-alive,host",
    ] {
        assert_eq!(
            framing(&format!("Connection: {bad}\r\n")),
            Err(Refusal::ConnectionOption),
            "{bad}"
        );
    }
    assert!(framing("Connection: TE, HTTP2-Settings, x-host\r\n").is_ok());
}

/// RFC 9110, section 7.8.
#[test]
fn upgrades() {
    let switch = |fields: &str| framing(fields).map(|framing| framing.switch);
    let asks = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n";
    assert_eq!(switch(asks), Ok(Some(Switch::Upgrade)));
    assert_eq!(
        switch("Upgrade: websocket\r\nConnection: upgrade\r\n"),
        Ok(Some(Switch::Upgrade))
    );
    assert_eq!(switch("Upgrade: websocket\r\n"), Ok(None));
    assert_eq!(switch("Connection: upgrade\r\n"), Ok(None));
    assert_eq!(switch(&format!("{asks}Content-Length: 5\r\n")), Ok(None));
    assert_eq!(
        switch(&format!("{asks}Transfer-Encoding: chunked\r\n")),
        Ok(None)
    );
    let old = framing_of("HTTP/1.0", asks);
    assert_eq!(old.map(|framing| framing.switch), Ok(None));
}

/// RFC 9110, section 10.1.1.
#[test]
fn expectations() {
    let expects = |fields: &str| framing(fields).map(|framing| framing.expects_continue);
    assert_eq!(
        expects("Expect: 100-Continue\r\nContent-Length: 1\r\n"),
        Ok(true)
    );
    assert_eq!(
        expects("Expect: 100-Continue\r\nTransfer-Encoding: chunked\r\n"),
        Ok(true)
    );
    assert_eq!(expects("Expect: 100-continue\r\n"), Ok(false));
    assert_eq!(
        expects("Expect: 100-continue\r\nContent-Length: 0\r\n"),
        Ok(false)
    );
    for bad in ["200-ok", "", "100-continue, x", "100-continue;a", "100"] {
        assert_eq!(
            expects(&format!("Expect: {bad}\r\n")),
            Err(Refusal::Expectation),
            "{bad}"
        );
    }
    let old = framing_of("HTTP/1.0", "Expect: 100-continue\r\nContent-Length: 1\r\n");
    assert_eq!(old.map(|framing| framing.expects_continue), Ok(false));
}

/// What other servers and proxies disagreed about: a field that only one of two sees. None is repaired.
#[test]
fn fields_that_only_some_see() {
    for (fields, refusal) in [
        ("Content-Length : 5", Refusal::FieldName),
        ("Content-Length\t: 5", Refusal::FieldName),
        (" Content-Length: 5", Refusal::Fold),
        ("Transfer-Encoding : chunked", Refusal::FieldName),
        ("Transfer-Encoding\x0b: chunked", Refusal::FieldName),
        ("Transfer-Encoding\0: chunked", Refusal::FieldName),
        ("Transfer-Encoding: \x0bchunked", Refusal::FieldValue),
        ("Transfer-Encoding: chunked\x0c", Refusal::FieldValue),
        ("Transfer-Encoding: chunked\0", Refusal::FieldValue),
        ("Transfer-Encoding:\r\n chunked", Refusal::Fold),
        ("Transfer-Encoding\r\n: chunked", Refusal::FieldName),
        ("X: y\nTransfer-Encoding: chunked", Refusal::LineEnd),
        ("X: y\rTransfer-Encoding: chunked", Refusal::LineEnd),
        ("X: y\r\rTransfer-Encoding: chunked", Refusal::LineEnd),
        ("\nTransfer-Encoding: chunked", Refusal::LineEnd),
        (": chunked", Refusal::FieldName),
        ("Transfer-Encoding", Refusal::FieldName),
        ("\"Transfer-Encoding\": chunked", Refusal::FieldName),
        ("Transfer Encoding: chunked", Refusal::FieldName),
        ("\u{feff}Transfer-Encoding: chunked", Refusal::FieldName),
    ] {
        assert_eq!(
            framing(&format!("{fields}\r\n")).err(),
            Some(refusal),
            "{fields:?}"
        );
    }
    // Another field altogether, to everybody who goes by the grammar.
    for other in [
        "Transfer_Encoding: chunked",
        "Content_Length: 5",
        "X-Transfer-Encoding: chunked",
        "Content-Lengt: 5",
        "Content-Length2: 5",
    ] {
        assert_eq!(body(&format!("{other}\r\n")), Ok(Length(0)), "{other}");
    }
}

fn response(
    version: Version,
    status: u16,
    asked: Asked,
    fields: &str,
) -> Result<(BodyFraming, bool), Refusal> {
    let fields = fields.lines().map(|line| {
        let (name, value) = line.split_once(": ").expect("a field");
        (name.as_bytes(), value.as_bytes())
    });
    Framing::of_response(version, status, fields, asked, 1000).map(|framing| {
        assert!(!framing.expects_continue && framing.switch.is_none());
        (framing.body, framing.keep_alive)
    })
}

/// RFC 9112, section 6.3, item by item.
#[test]
fn responses() {
    use Asked::{Connect, Head, Plain, Upgrade};
    let of = |status, asked, fields| response(Version::Http11, status, asked, fields);
    let (length, chunked) = ("Content-Length: 5", "Transfer-Encoding: chunked");
    // 1: HEAD and 304 speak of a body that is not there, 1xx and 204 must not.
    for fields in ["", length, chunked] {
        assert_eq!(of(200, Head, fields), Ok((Length(0), true)));
        assert_eq!(of(404, Head, fields), Ok((Length(0), true)));
        assert_eq!(of(304, Plain, fields), Ok((Length(0), true)));
        for status in [100, 103, 199, 204] {
            for asked in [Plain, Head] {
                let expected = if fields.is_empty() {
                    Ok((Length(0), true))
                } else {
                    Err(Refusal::BodyForbidden)
                };
                assert_eq!(of(status, asked, fields), expected, "{status} {fields}");
            }
        }
    }
    assert_eq!(of(204, Plain, "Content-Length: 0"), Ok((Length(0), true)));
    // 2: CONNECT, and its like.
    for fields in [
        "",
        length,
        chunked,
        "Content-Length: 5\nTransfer-Encoding: chunked",
    ] {
        assert_eq!(of(200, Connect, fields), Ok((Tunnel, false)));
        assert_eq!(of(101, Upgrade, fields), Ok((Tunnel, false)));
        for asked in [Plain, Head, Connect] {
            assert_eq!(of(101, asked, fields), Err(Refusal::SwitchUnasked));
        }
    }
    assert_eq!(of(407, Connect, length), Ok((Length(5), true)));
    assert_eq!(of(200, Upgrade, length), Ok((Length(5), true)));
    // 3 to 6.
    for asked in [Plain, Head] {
        assert_eq!(
            of(200, asked, "Content-Length: 5\nTransfer-Encoding: chunked"),
            Err(Refusal::LengthAndCoding)
        );
        assert_eq!(
            of(200, asked, "Content-Length: x"),
            Err(Refusal::ContentLength)
        );
        assert_eq!(
            of(200, asked, "Content-Length: 5\nContent-Length: 5"),
            Err(Refusal::ContentLengthRepeated)
        );
        assert_eq!(
            of(200, asked, "Transfer-Encoding: gzip"),
            Err(Refusal::CodingUnsupported)
        );
        assert_eq!(
            of(200, asked, "Transfer-Encoding: chunked, gzip"),
            Err(Refusal::TransferEncoding)
        );
        assert_eq!(
            response(Version::Http10, 200, asked, chunked),
            Err(Refusal::CodingInOldVersion)
        );
    }
    assert_eq!(of(200, Plain, chunked), Ok((Chunked, true)));
    assert_eq!(of(200, Plain, length), Ok((Length(5), true)));
    assert_eq!(
        of(200, Plain, "Content-Length: 1001"),
        Err(Refusal::BodyTooLarge)
    );
    assert_eq!(of(205, Plain, "Content-Length: 0"), Ok((Length(0), true)));
    // 8.
    for status in [200, 205, 299, 300, 404, 599] {
        assert_eq!(of(status, Plain, ""), Ok((UntilClose, false)), "{status}");
    }
    // Of a response, what only a request may have is of no interest.
    assert_eq!(
        of(
            200,
            Plain,
            "Host: a b\nHost: c\nExpect: x\nContent-Length: 5"
        ),
        Ok((Length(5), true))
    );
    // RFC 9112, section 9.3.
    assert_eq!(
        of(200, Plain, "Connection: close\nContent-Length: 5"),
        Ok((Length(5), false))
    );
    assert_eq!(
        of(200, Plain, "Connection: content-length"),
        Err(Refusal::ConnectionOption)
    );
    assert_eq!(
        response(Version::Http10, 200, Plain, length),
        Ok((Length(5), false))
    );
    assert_eq!(
        response(
            Version::Http10,
            200,
            Plain,
            "Content-Length: 5\nConnection: keep-alive"
        ),
        Ok((Length(5), true))
    );
}

/// Every set of facts that a rule looks at: the way past the table comes to the same, and some rule always applies.
#[test]
fn the_way_past_the_table_agrees_with_it() {
    let looked_at = RULES
        .iter()
        .fold(0, |bits, rule| bits | rule.when | rule.unless);
    let bits: Vec<u32> = (0..u32::BITS)
        .map(|at| 1 << at)
        .filter(|bit| looked_at & bit != 0)
        .collect();
    let mut passed = 0;
    for set in 0..1u32 << bits.len() {
        let facts = (0..bits.len())
            .filter(|at| set >> at & 1 == 1)
            .fold(0, |facts, at| facts | bits[at]);
        assert!(
            RULES
                .iter()
                .any(|rule| facts & rule.when == rule.when && facts & rule.unless == 0)
        );
        let is_sound =
            facts & CODING != 0 || facts & (CODING_BAD | CODING_UNKNOWN | CODING_CHUNKED) == 0;
        let is_request = facts & (RESPONSE | NO_BODY | NEVER_BODY | TUNNEL | UNASKED) == 0;
        if is_sound && is_request && facts & SUSPICIOUS == 0 && facts & (HOST | OLD) != 0 {
            passed += 1;
            let expected = if facts & LENGTH != 0 {
                Verdict::Length
            } else {
                Verdict::Nothing
            };
            assert_eq!(judge(facts), Ok(expected), "{facts:#b}");
        }
    }
    assert!(passed > 0);
}

/// A row that others before it hide would say nothing.
#[test]
fn every_rule_decides_something() {
    for (at, rule) in RULES.iter().enumerate() {
        let alone = rule.when | (HOST & !rule.unless);
        let first = RULES
            .iter()
            .position(|rule| alone & rule.when == rule.when && alone & rule.unless == 0);
        assert_eq!(first, Some(at), "{}", rule.verdict);
    }
    assert_eq!(RulesTable.to_string().lines().count(), RULES.len() + 2);
}

/// Requests of which most are plain, or would be but for one thing.
fn nearly_plain() -> impl Strategy<Value = String> {
    let line = prop_oneof![
        6 => Just("GET /a?b HTTP/1.1"),
        1 => Just("GET / HTTP/1.0"),
        1 => Just("CONNECT a:80 HTTP/1.1"),
        1 => Just("GET http://a/ HTTP/1.1"),
        1 => Just("TRACE / HTTP/1.1"),
    ];
    let name = prop_oneof![
        8 => Just("Host"), 1 => Just("hOST"), 1 => Just("Hos"), 1 => Just("Hosts"), 1 => Just("Hest"),
        4 => Just("Connection"), 1 => Just("Connectiom"), 1 => Just("cONNECTION"),
        1 => Just("Content-Length"), 1 => Just("Transfer-Encoding"), 1 => Just("Expect"), 1 => Just("Upgrade"),
        2 => Just("Accept"), 2 => Just("User-Agent"), 1 => Just("X-Transfer-Coding"),
        1 => Just("Host-and-thirty-two-more-bytes-xxxxx"), 1 => Just("Transfer-Encoding-and-32-more-bytes-xxxxxxxxxxxxx"),
    ];
    let value = prop_oneof![
        6 => Just("a".to_owned()), 3 => "[a-z0-9.]{1,33}(:[0-9]{0,6})?", 1 => "[ -~]{0,20}",
        4 => Just("keep-alive".to_owned()), 1 => Just("Keep-Alive".to_owned()), 1 => Just("keep-alivf".to_owned()),
        1 => Just("close".to_owned()), 1 => Just("0".to_owned()), 1 => Just("chunked".to_owned()),
    ];
    let field = (name, value).prop_map(|(name, value)| format!("{name}: {value}\r\n"));
    (line, proptest::collection::vec(field, 0..4))
        .prop_map(|(line, fields)| format!("{line}\r\n{}\r\n", fields.concat()))
}

proptest! {
    /// The short way says what the long one says.
    #[test]
    fn plain_requests_are_requests(text in nearly_plain()) {
        let mut slots = [FieldSlot::default(); 8];
        if let Ok(Some(head)) = RequestParser::default().parse(text.as_bytes(), &mut slots) {
            let view = head.view(text.as_bytes(), &slots);
            prop_assert_eq!(Framing::of(&view, 100), Framing::of_any(&view, 100), "{}", text);
        }
    }
}

#[test]
fn most_requests_are_plain() {
    let is_plain = |head: &str| {
        let text = format!("{head}\r\n\r\n");
        let mut slots = [FieldSlot::default(); 8];
        let parsed = RequestParser::default().parse(text.as_bytes(), &mut slots);
        let head = parsed.expect("good").expect("whole");
        facts::has_plain_host(&head.view(text.as_bytes(), &slots))
    };
    assert!(is_plain("GET / HTTP/1.1\r\nHost: a"));
    assert!(is_plain(
        "GET / HTTP/1.1\r\nhost: a\r\nAccept: */*\r\nConnection: Keep-Alive\r\nUser-Agent: b"
    ));
    assert!(is_plain("GET / HTTP/1.0\r\nHost: a"));
    assert!(!is_plain(
        "GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive"
    ));
    assert!(!is_plain("GET / HTTP/1.1\r\nAccept: */*"));
    for other in [
        "Host: a",
        "Connection: close",
        "Content-Length: 0",
        "Transfer-Encoding: chunked",
        "Upgrade: x",
        "Expect: x",
    ] {
        assert!(
            !is_plain(&format!("GET / HTTP/1.1\r\nHost: a\r\n{other}")),
            "{other}"
        );
    }
}
