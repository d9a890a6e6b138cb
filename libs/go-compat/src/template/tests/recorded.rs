//! Templates whose results were recorded from Promtail 3.4.6.

use super::render_with;

const FIRST_LINE: &[(&str, &str)] = &[
    ("level", "warning"),
    ("app", "  Fraud Detector "),
    ("path", "/v1/models/x"),
    ("num", "7"),
    ("email", "usera@example.com"),
];
const SECOND_LINE: &[(&str, &str)] = &[("level", "e"), ("app", "b")];

/// The values of `data`, `source` under `.Value` as the stage sets it.
fn stage(data: &[(&'static str, &'static str)], source: &str, template: &str) -> Option<String> {
    let mut data = data.to_vec();
    if let Some((_, value)) = data.iter().find(|(name, _)| *name == source) {
        data.push(("Value", *value));
    }
    render_with(template, &data).ok()
}

fn check(data: &[(&'static str, &'static str)], cases: &[(&str, &str, Option<&str>)]) {
    for (source, template, expected) in cases {
        assert_eq!(stage(data, source, template).as_deref(), *expected, "{template}");
    }
}

const LEVEL: &str = r#"{{ if eq .Value "warning" "warn" }}WARN{{ else if eq .Value "e" }}ERROR{{ else }}{{ .Value | ToUpper }}{{ end }}"#;
const SLUG: &str = r#"{{ Replace .path "/" "_" -1 | TrimPrefix "_" | TrimSuffix "x" }}"#;
const PADDED: &str = r#"{{ printf "%05s|%-4s|%q" .num .num .level }}"#;
const SALTED: &str = r#"{{ .email | Sha2Hash "pepper" | trunc 12 }}"#;
const REGEXES: &str = r#"{{ regexReplaceAll "([a-z])([a-z])" .app "${2}${1}" }}/{{ regexReplaceAllLiteral "[aeiou]" .app "$0" }}"#;

#[test]
fn promtail_functions_on_a_full_line() {
    check(
        FIRST_LINE,
        &[
            ("level", LEVEL, Some("WARN")),
            (
                "app",
                r#"{{ .Value | TrimSpace | ToLower | replace " " "-" }}"#,
                Some("fraud-detector"),
            ),
            ("slug", SLUG, Some("x")),
            ("sha", SALTED, Some("e819700421d8")),
            (
                "missing",
                r#"{{ .not_there }}|{{ .not_there | default "dflt" }}"#,
                Some("<no value>|dflt"),
            ),
            ("num", "", Some("")),
        ],
    );
    let later = [("level", "WARN"), ("app", "fraud-detector"), ("num", "7")];
    check(
        &later,
        &[
            ("padded", PADDED, Some(r#"00007|7   |"WARN""#)),
            (
                "hash",
                r#"{{ Hash "salt" .app }}"#,
                Some("accb76dbf434d0a5ad33ba475d7f0a543753fa9f29cd1d63694a3202de0a164a"),
            ),
            ("re", REGEXES, Some("rfuad-edettcro/fr$0$0d-d$0t$0ct$0r")),
        ],
    );
}

#[test]
fn promtail_functions_on_a_line_with_gaps() {
    check(
        SECOND_LINE,
        &[
            ("level", LEVEL, Some("ERROR")),
            ("slug", SLUG, None),
            ("sha", SALTED, None),
            (
                "hash",
                r#"{{ Hash "salt" .app }}"#,
                Some("997d099266e7fe39fa2552bb2de7eeb317245e339adb822a41fb993f619aa2b3"),
            ),
            ("re", REGEXES, Some("b/b")),
        ],
    );
    let later = [("level", "ERROR")];
    check(&later, &[("padded", PADDED, Some(r#"%!s(<nil>)|%!s(<nil>)|"ERROR""#))]);
}

#[test]
fn the_length_of_a_line_is_counted_in_bytes() {
    let line = r#"{"level":"e","app":"b"}"#;
    check(&[("Entry", line)], &[("len", "{{ .Entry | len }}", Some("23"))]);
}

const CLASS: &str = r#"{{- $c := .code | default "0" | int -}}
{{- if and (ge $c 500) (lt $c 600) -}} server
{{- else if or (eq $c 200) (eq $c 201) -}} ok
{{- else -}} other {{- end -}}"#;
const SLOW: &str = "{{ with .lat }}lat={{ . }}{{ else }}none{{ end }}";
const NOT: &str = r#"{{ not .lat }} {{ .lat | empty | not }} {{ len "äö" }} {{ "äö" | upper }} {{ html "<&>" }} {{ urlquery "a b&c" }} {{ js "a'b" }}"#;

#[test]
fn conditions_variables_and_trimming() {
    let escapes = r"4 ÄÖ &lt;&amp;&gt; a+b%26c a\'b";
    let (with, without) = (format!("false true {escapes}"), format!("true false {escapes}"));
    check(
        &[("code", "503"), ("lat", "0.25")],
        &[
            ("class", CLASS, Some("server")),
            ("slow", SLOW, Some("lat=0.25")),
            ("runtime_error", "{{ index .code 99 }}", None),
            ("not", NOT, Some(&with)),
        ],
    );
    check(
        &[("code", "200")],
        &[("class", CLASS, Some("ok")), ("slow", SLOW, Some("none")), ("not", NOT, Some(&without))],
    );
    check(
        &[],
        &[
            ("class", CLASS, Some("other")),
            ("slow", SLOW, Some("none")),
            ("runtime_error", "{{ index .code 99 }}", None),
            ("not", NOT, Some(&without)),
        ],
    );
}

/// Template, result for the line `alpha,beta,gamma`, result for the line `x`.
const SPRIG: &[(&str, &str, &str)] = &[
    (r#"{{ splitList "," .Entry | join "+" }}"#, "alpha+beta+gamma", "x"),
    (r#"{{ splitList "," .Entry | len }}"#, "3", "1"),
    (r#"{{ (splitList "," .Entry) | first | title }}"#, "Alpha", "X"),
    (
        "{{ add 1 2 3 }} {{ sub 9 4 }} {{ mul 2 3 4 }} {{ div 7 2 }} {{ mod 7 2 }} {{ max 1 5 3 }}",
        "6 5 24 3 1 5",
        "6 5 24 3 1 5",
    ),
    (r#"{{ .Entry | b64enc }} {{ "aGk=" | b64dec }}"#, "YWxwaGEsYmV0YSxnYW1tYQ== hi", "eA== hi"),
    (
        "{{ .Entry | sha256sum | trunc 8 }} {{ .Entry | sha1sum | trunc 8 }} {{ .Entry | sha512sum | trunc 8 }}",
        "5eb44ddd 936114ac 2237b58f",
        "2d711642 11f6ad8e a4abd444",
    ),
    (
        r#"{{ dict "k" .Entry | toJson }} {{ (fromJson "{\"a\":[1,2]}").a }}"#,
        r#"{"k":"alpha,beta,gamma"} [1 2]"#,
        r#"{"k":"x"} [1 2]"#,
    ),
    (
        r#"{{ contains "beta" .Entry }} {{ hasPrefix "alpha" .Entry }} {{ hasSuffix "x" .Entry }} {{ empty "" }} {{ ternary "yes" "no" (eq .Entry "x") }}"#,
        "true true false true no",
        "false false true true yes",
    ),
    (
        r#"{{ "some_snake case" | camelcase }} {{ "FooBarBaz" | snakecase }} {{ "fooBar" | kebabcase }} {{ "a b" | nospace }} {{ "ab" | repeat 2 }} {{ "abc" | substr 0 2 }}"#,
        "SomeSnakeCase foo_bar_baz foo-bar ab abab ab",
        "SomeSnakeCase foo_bar_baz foo-bar ab abab ab",
    ),
    (
        r#"{{ index (splitList "," .Entry) 0 }}{{ range $i, $e := splitList "," .Entry }} {{ $i }}={{ $e }}{{ end }}"#,
        "alpha 0=alpha 1=beta 2=gamma",
        "x 0=x",
    ),
    (
        r#"{{ int "42" }} {{ float64 "1.5" }} {{ "7" | atoi | add 1 }} {{ round 3.14159 2 }} {{ ceil 1.2 }} {{ floor 1.8 }}"#,
        "42 1.5 8 3.14 2 1",
        "42 1.5 8 3.14 2 1",
    ),
    (
        r#"{{ toDate "2006-01-02" "2023-07-08" | date "02.01.2006" }} {{ date "Jan _2 15:04" (toDate "2006-01-02T15:04:05" "2023-07-08T09:10:11") }}"#,
        "08.07.2023 Jul  8 09:10",
        "08.07.2023 Jul  8 09:10",
    ),
    (
        r#"{{ list "c" "a" "b" | sortAlpha }} {{ trimAll "/" "/x/" }} {{ regexMatch "^a" .Entry }} {{ regexFind "[a-z]{4}" .Entry }} {{ "a/b/c.log" | base }} {{ ext "c.log" }} {{ trunc -3 "abcdef" }} {{ until 3 }} {{ has "x" (list "x" "y") }} {{ quote "q" }} {{ coalesce "" 0 "z" }}"#,
        r#"[a b c] x true alph c.log .log def [0 1 2] true "q" z"#,
        r#"[a b c] x false  c.log .log def [0 1 2] true "q" z"#,
    ),
];

#[test]
fn sprig_functions() {
    for (template, long, short) in SPRIG {
        check(&[("Entry", "alpha,beta,gamma")], &[("none", template, Some(long))]);
        check(&[("Entry", "x")], &[("none", template, Some(short))]);
    }
}

#[test]
fn templates_of_the_replace_stage() {
    let cases = [
        ("usera", "***", "***"),
        ("411111111111", "{{ .Value | len }} digits ", "12 digits "),
        ("hunter2", "", ""),
        ("abc", "{{ .Value | ToUpper }}", "ABC"),
        ("1234", ":id", ":id"),
    ];
    for (value, template, expected) in cases {
        assert_eq!(render_with(template, &[("Value", value)]).unwrap(), expected);
    }
    let verb = "{{ .Value | ToLower }}-{{ .missing }}-{{ .id }}";
    assert_eq!(
        render_with(verb, &[("Value", "GET"), ("id", ":id")]).unwrap(),
        "get-<no value>-:id"
    );
    assert_eq!(render_with(verb, &[("Value", "PUT")]).unwrap(), "put-<no value>-<no value>");
}

#[test]
fn single_vectors() {
    for (template, data, expected) in [
        ("{{ .missing }}", &[][..], "<no value>"),
        ("{{ if false }}x{{ end }}", &[], ""),
        ("{{ .Value }}|{{ .job }}", &[("Value", "O"), ("job", "J")], "O|J"),
    ] {
        assert_eq!(render_with(template, data).unwrap(), expected);
    }
}
