//! What the reference's tool says of templates, accepted and refused.

use proptest::prelude::*;

use super::*;

fn options() -> Options<'static> {
    Options {
        name: "t",
        functions: &["first", "humanize", "query", "safeHtml", "toUpper", "value"],
        variables: &["$labels", "$externalLabels", "$externalURL", "$value"],
    }
}

/// Templates that are read, however little sense some make.
const GOOD: &[&str] = &[
    "{{ .Labels.x | humanize }}",
    "{{ query \"up\" | first | value }}",
    "{{ nil }}",
    "{{ 1 2 }}",
    "{{ .a | }}",
    "{{ template \"x\" }}",
    "{{ define \"x\" }}a{{ end }}{{ template \"x\" . }}",
    "{{ block \"x\" . }}a{{ end }}",
    "{{ range . }}{{ break }}{{ end }}",
    "{{ $x := 1 }}{{ $x }}",
    "{{ $x = 1 }}",
    "{{/* a */}}",
    "{{ 'a' }}",
    "{{ .a.b.c }}",
    "{{ $labels.x.y }}",
    "{{ $ }}",
    "{{ . }}",
    "{{-3}}",
    "{{- 3 -}}",
    "{{ printf \"%v\" (index $labels \"a\") }}",
    "{{ humanize }}",
    "{{ \"a\" | printf \"%s\" | toUpper }}",
    "{{ if true }}{{ else if false }}{{ else }}{{ end }}",
    "{{ range . }}{{ else }}{{ end }}",
    "{{ $labels | len }}",
    "{{ len . | and 1 }}",
    "{{ \"a\" \"b\" }}",
    "{{ .x \"b\" }}",
    "{{ true }}",
    "{{ $value | printf \"%.2f\" }}",
    "{{ safeHtml \"x\" }}",
    "{{ .é }}",
    "{{ \n if true }}x{{ end }}",
    "{{ with . }}{{ else with . }}{{ end }}",
    "{{ (query \"up\").Value }}",
    "{{ if $x := true }}{{ $x }}{{ end }}",
    "{{ template \"x\" 1 2 }}",
    "{{ and }}",
    "{{ not }}",
    "{{ 1_0 }}",
    "{{ 1i }}",
    "{{ printf \"%s\" }}",
    "{{ if (eq 1 2) }}{{ end }}",
    "{{ if eq 1 2 3 | not }}{{end}}",
];

/// Templates that are refused: line and problem.
const BAD: &[(&str, &str)] = &[
    ("{{ foo }}", "1: function \"foo\" not defined"),
    ("{{ $labels.x | foo }}", "1: function \"foo\" not defined"),
    ("{{ $x }}", "1: undefined variable \"$x\""),
    ("{{ if }}a{{ end }}", "1: missing value for if"),
    ("{{ if true }}", "1: unexpected EOF"),
    ("{{ end }}", "1: unexpected {{end}}"),
    ("{{ else }}", "1: unexpected {{else}}"),
    (
        "{{ range $i,$v := .Labels }}{{ $v }}{{ end }}{{ $v }}",
        "1: undefined variable \"$v\"",
    ),
    ("{{ \"abc }}", "1: unterminated quoted string"),
    ("{{ `abc }}", "1: unterminated raw quoted string"),
    ("{{ (1 }}", "1: unclosed left paren"),
    ("{{ 1 ) }}", "1: unexpected right paren"),
    ("{{ | .a }}", "1: unexpected \"|\" in command"),
    ("{{ template x }}", "1: unexpected \"x\" in template clause"),
    ("{{ break }}", "1: {{break}} outside {{range}}"),
    (
        "{{ with $x := 1 }}{{ $x }}{{ end }}{{ $x }}",
        "1: undefined variable \"$x\"",
    ),
    ("{{/* a }}", "1: unclosed comment"),
    ("{{ /* a */ }}", "1: unexpected \"/\" in command"),
    ("{{ 'ab' }}", "1: malformed character constant: 'ab'"),
    ("{{ 0x }}", "1: illegal number syntax: \"0x\""),
    ("{{ 1.5.2 }}", "1: unexpected \".2\" in operand"),
    ("{{ .a.1 }}", "1: unexpected \".1\" in operand"),
    ("{{ foo.bar }}", "1: function \"foo\" not defined"),
    ("{{", "1: unclosed action"),
    ("{{ }}", "1: missing value for command"),
    ("{{ a b c }}", "1: function \"a\" not defined"),
    (
        "{{ if true }}{{ else }}{{ else }}{{ end }}",
        "1: expected end; found {{else}}",
    ),
    ("{{ continue }}", "1: {{continue}} outside {{range}}"),
    (
        "{{ 1 | 2 }}",
        "1: non executable command in pipeline stage 2",
    ),
    ("{{ tmpl \"x\" . }}", "1: function \"tmpl\" not defined"),
    (
        "{{ $labels.instance }} of job {{ $labels.job }",
        "1: unexpected \"}\" in operand",
    ),
    ("{{ @ }}", "1: unexpected \"@\" in command"),
    ("{{ é }}", "1: function \"é\" not defined"),
    ("{{ $é }}", "1: undefined variable \"$é\""),
    ("a\nb {{ foo }}", "2: function \"foo\" not defined"),
    ("{{ define \"x\" }}", "1: unexpected EOF"),
    (
        "{{ define x }}{{ end }}",
        "1: unexpected \"x\" in define clause",
    ),
    (
        "{{ if true }}{{ define \"y\" }}{{ end }}{{ end }}",
        "1: unexpected <define> in command",
    ),
    ("{{ .Labels.x, }}", "1: unexpected \",\" in operand"),
    ("{{ x := 1 }}", "1: function \"x\" not defined"),
    ("{{ $x, $y := . }}", "1: too many declarations in command"),
    (
        "{{ range $a, $b, $c := . }}{{ end }}",
        "1: too many declarations in range",
    ),
    ("{{ \"x\".y }}", "1: unexpected . after term \"\\\"x\\\"\""),
    ("{{ 1.y }}", "1: bad number syntax: \"1.y\""),
    ("{{ $x.y := 1 }}", "1: undefined variable \"$x\""),
    ("{{ toDate 1 }}", "1: function \"toDate\" not defined"),
    ("{{ \"\\q\" }}", "1: invalid syntax"),
    ("{{ 08 }}", "1: integer overflow: \"08\""),
    ("{{ break 1 }}", "1: unexpected \"1\" in {{break}}"),
];

#[test]
fn what_the_reference_accepts_is_accepted() {
    for text in GOOD {
        assert!(
            parse(text, &options()).is_ok(),
            "{text}: {:?}",
            parse(text, &options())
        );
    }
}

#[test]
fn what_the_reference_refuses_is_refused_in_its_words() {
    for (text, expected) in BAD {
        let err = parse(text, &options()).expect_err(text);
        assert_eq!(
            format!("{}: {}", err.line, err.problem),
            *expected,
            "{text}"
        );
    }
}

#[test]
fn errors_name_template_and_line() {
    let err = parse("a\n{{ foo }}", &options()).expect_err("refused");
    assert_eq!(
        err.to_string(),
        "template: t:2: function \"foo\" not defined"
    );
    let err = parse("{{ 1\n", &options()).expect_err("refused");
    assert_eq!(
        err.to_string(),
        "template: t:2: unclosed action started at t:1"
    );
}

#[test]
fn trees() {
    let template = parse("a {{- if $labels.x }} b {{ else }}c{{ end }}", &options());
    let text = |text: &str| Node::Text(text.to_owned());
    let pipeline = Pipeline {
        line: 1,
        commands: vec![vec![Operand::Variable(
            "$labels".to_owned(),
            vec!["x".to_owned()],
        )]],
        ..Pipeline::default()
    };
    let branch = Branch {
        rebinds_dot: false,
        pipeline,
        body: vec![text(" b ")],
        otherwise: Some(vec![text("c")]),
    };
    let expected = vec![text("a"), Node::Branch(Box::new(branch))];
    assert_eq!(template.map(|template| template.root), Ok(expected));
    let template = parse(
        "{{ define \"x\" }}d{{ end }}{{ template \"x\" . }} \n {{- 1 }}",
        &options(),
    );
    let template = template.expect("read");
    assert_eq!(template.defined["x"], [text("d")]);
    assert_eq!(template.root.len(), 2, "{:?}", template.root);
}

#[test]
fn nesting_has_an_end() {
    let deep = format!("{{{{ {}1{} }}}}", "(".repeat(10_000), ")".repeat(10_000));
    let err = parse(&deep, &options()).expect_err("refused");
    assert_eq!(err.problem, "nested more than 200 levels deep");
    for (open, close) in [
        ("{{if 1}}", "{{end}}"),
        ("{{if 1}}{{else if 2}}", "{{end}}"),
    ] {
        let deep = format!("{}{}", open.repeat(10_000), close.repeat(10_000));
        assert!(parse(&deep, &options()).is_err());
    }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        parts in prop::collection::vec(
            prop_oneof![
                Just("{{"), Just("}}"), Just("{{-"), Just(" -}}"), Just(" "), Just("if"),
                Just("else"), Just("end"), Just("range"), Just("with"), Just("define"),
                Just("block"), Just("template"), Just("\"x\""), Just("$x"), Just(":="),
                Just("="), Just(","), Just("|"), Just("("), Just(")"), Just(".a"), Just("."),
                Just("1"), Just("0x"), Just("'a'"), Just("/*"), Just("*/"), Just("print"),
                Just("é"), Just("\n"), Just("`"), Just("1.5e3"), Just("+"), Just("2i"),
            ],
            0..40,
        ),
    ) {
        let _ = parse(&parts.concat(), &options());
    }
}
