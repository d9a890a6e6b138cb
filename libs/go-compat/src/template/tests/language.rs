//! Blocks, variables, pipelines and what is wrong with them.

use super::{Data, failure, refusal, render_with, rendered};
use crate::template::{Template, Value};

#[test]
fn control_structures_follow_go() {
    for (template, text) in [
        (
            "{{ range $i, $e := list 1 2 3 }}{{ if eq $i 2 }}{{ break }}{{ end }}{{ $e }},{{ end }}",
            "1,2,",
        ),
        ("{{ range list 1 2 3 }}{{ if eq . 2 }}{{ continue }}{{ end }}{{ . }}{{ end }}", "13"),
        ("{{ range list }}x{{ else }}none{{ end }}", "none"),
        ("{{ range $k, $v := dict \"b\" 2 \"a\" 1 }}{{ $k }}{{ $v }}{{ end }}", "a1b2"),
        ("{{ range $n := 3 }}{{ $n }}{{ end }}", "012"),
        ("{{ range . }}x{{ end }}{{ with nosuch }}{{ end }}", "refused"),
        ("{{ with $x := 5 }}{{ $x }}{{ . }}{{ end }}", "55"),
        ("{{ with \"\" }}a{{ else with 7 }}{{ . }}{{ else }}c{{ end }}", "7"),
        ("{{ if 0 }}a{{ else if \"\" }}b{{ else }}c{{ end }}", "c"),
        ("{{ $x := 1 }}{{ if true }}{{ $x = 2 }}{{ $y := 9 }}{{ end }}{{ $x }}", "2"),
        ("{{ $x := 1 }}{{ if true }}{{ $x := 2 }}{{ $x }}{{ end }}{{ $x }}", "21"),
        ("{{ $x := 1 }}{{ range $x = list 4 5 }}{{ end }}{{ $x }}", "5"),
        (
            "{{ define \"t\" }}<{{ . }}{{ $ }}>{{ end }}{{ template \"t\" 3 }}{{ template \"t\" }}",
            "<33><<no value><no value>>",
        ),
        ("{{ block \"b\" 4 }}[{{ . }}]{{ end }}{{ template \"b\" 5 }}", "[4][5]"),
        ("{{ (dict \"a\" (dict \"b\" 1)).a.b }}", "1"),
        ("{{ $d := dict \"a\" 1 }}{{ $d.a }}{{ $d.none }}", "1<no value>"),
        ("{{ .a.b.c }}", "<no value>"),
        ("{{ /* not a comment */ }}", "refused"),
        ("{{/* a comment */}}x", "x"),
        ("{{ print `a\\n` 'a' }}", "a\\n97"),
        ("{{ 1.0 }} {{ 1e6 }} {{ 0x10 }} {{ true }}", "1 1e+06 16 true"),
        ("{{ \"a\" | printf \"%s%s\" \"b\" }}", "ba"),
        (
            "{{ and 1 0 (fail \"no\") }}{{ or 0 2 (fail \"no\") }}{{ and 1 2 }}{{ or 0 \"\" }}",
            "022",
        ),
        ("{{ ternary 1 2 (and true (not false)) }}", "1"),
    ] {
        if text == "refused" {
            assert!(Template::parse(template).is_err(), "{template}");
        } else {
            assert_eq!(rendered(template), text, "{template}");
        }
    }
}

#[test]
fn the_data_can_be_used_as_a_whole() {
    let data = [("a", "1"), ("b", "2")];
    for (template, text) in [
        ("{{ . }}", "map[a:1 b:2]"),
        ("{{ toJson . }}", r#"{"a":"1","b":"2"}"#),
        ("{{ range $k, $v := . }}{{ $k }}{{ $v }}{{ end }}", "a1b2"),
        ("{{ with 1 }}{{ $.a }}{{ end }}", "1"),
        ("{{ with $ }}{{ .a }}{{ end }}", "1"),
        ("{{ define \"t\" }}{{ .b }}{{ end }}{{ template \"t\" . }}", "2"),
        ("{{ index . \"a\" }}{{ len . }}", "12"),
        ("{{ $d := . }}{{ $d.b }}", "2"),
        ("{{ if . }}y{{ end }}", "y"),
    ] {
        assert_eq!(render_with(template, &data).unwrap(), text, "{template}");
    }
}

#[test]
fn a_function_that_changes_a_map_changes_the_variable() {
    let text = "{{ $d := dict }}{{ $_ := set $d \"a\" 1 }}{{ range list 1 2 }}{{ $_ := set $d \"b\" . }}{{ end }}{{ $d }}{{ $_ := unset $d \"a\" }}{{ $d }}";
    assert_eq!(rendered(text), "map[a:1 b:2]map[b:2]");
}

#[test]
fn refusals_name_the_line_and_what_is_accepted() {
    for (template, reason) in [
        ("\n{{ nosuch .a }}", "line 2: function \"nosuch\" not defined"),
        (
            "{{ env \"HOME\" }}",
            "line 1: function \"env\" is not supported here: a template may not read the environment or the network",
        ),
        ("{{ $x }}", "line 1: undefined variable \"$x\", declare it with $x := ... first"),
        ("{{ if .a }}\n\n", "line 3: unexpected end of the template, expected {{ end }}"),
        (
            "a\n{{ end }}",
            "line 2: unexpected \"end\", expected a block that it belongs to (if, range, with, define)",
        ),
        ("{{ break }}", "line 1: unexpected \"break\", expected it inside a range block"),
        ("{{ .a | 5 }}", "line 1: unexpected constant \"5\", expected a function after \"|\""),
        ("{{ }}", "line 1: unexpected \"}}\", expected a value or a function"),
        ("{{ (1 }}", "line 1: unexpected \"}}\", expected \")\""),
        ("{{ nil }}", "line 1: unexpected \"nil\", expected a command, which nil is not"),
        ("{{ 1 2.x }}", "line 1: bad number syntax: \"2.x\""),
        ("{{ .a", "line 1: action does not end, \"}}\" is missing"),
        (
            "{{ if 1 }}{{ define \"x\" }}{{ end }}{{ end }}",
            "line 1: unexpected \"define\", expected define outside of other blocks",
        ),
    ] {
        assert_eq!(refusal(template), reason, "{template}");
    }
}

#[test]
fn what_go_notices_late_is_no_refusal() {
    for (template, reason) in [
        ("{{ .a 1 }}", "line 1: value: can't give argument to non-function \".a\""),
        ("{{ ToUpper }}", "line 1: ToUpper: wrong number of args: want 1 got 0"),
        ("{{ template \"x\" }}", "line 1: template: template \"x\" not defined"),
        ("{{ regexMatch \"(\" \"a\" }}", "line 1: regexMatch: "),
        ("\n{{ index (list 1) 5 }}", "line 2: index: index out of range: 5"),
        ("{{ div 1 0 }}", "line 1: div: integer divide by zero"),
        ("{{ eq 1 \"a\" }}", "line 1: eq: incompatible types for comparison: int and string"),
        ("{{ lt .x 1 }}", "line 1: lt: invalid type for comparison: <nil> and int"),
        ("{{ ToUpper .x }}", "line 1: ToUpper: invalid value; expected string"),
        ("{{ ToUpper 1 }}", "line 1: ToUpper: wrong type for value; expected string; got int"),
        ("{{ (print 1).x }}", "line 1: value: can't evaluate field x in type string"),
        ("{{ fail \"because\" }}", "line 1: fail: because"),
    ] {
        let found = failure(template);
        assert!(found.starts_with(reason), "{template}: {found}");
    }
}

#[test]
fn the_names_that_a_template_reads_are_known() {
    for (template, names, all) in [
        ("{{ .Value | ToUpper }}{{ .a.b }}{{ .Value }}", &["Value", "a"][..], false),
        ("{{ if .x }}{{ $.y }}{{ end }}", &["x", "y"], false),
        ("{{ with .x }}{{ . }}{{ end }}", &["x"], false),
        ("{{ range $k, $v := .x }}{{ $v.z }}{{ end }}", &["x"], false),
        ("{{ toJson . }}", &[], true),
        ("{{ with $ }}{{ . }}{{ end }}", &[], true),
        ("text", &[], false),
    ] {
        let parsed = Template::parse(template).unwrap();
        assert_eq!(parsed.fields(), names, "{template}");
        assert_eq!(parsed.uses_all_fields(), all, "{template}");
    }
}

#[test]
fn bytes_that_are_no_text_pass_through() {
    let data = Data(vec![("Value", Value::Text(b"a\xff B".to_vec()))]);
    for (template, bytes) in [
        ("{{ .Value }}", &b"a\xff B"[..]),
        (r#"{{ Replace .Value "a" "c" -1 }}"#, b"c\xff B"),
        (r#"{{ .Value | splitList " " | join "," }}"#, b"a\xff,B"),
        (r#"{{ regexReplaceAll "B" .Value "C" }}"#, b"a\xff C"),
        ("{{ TrimSpace .Value }}", b"a\xff B"),
        ("{{ ToUpper .Value }}", "A\u{fffd} B".as_bytes()),
    ] {
        let mut out = Vec::new();
        Template::parse(template).unwrap().render(&data, &mut out).unwrap();
        assert_eq!(out, bytes, "{template}");
    }
}
