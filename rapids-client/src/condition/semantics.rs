//! What expressions mean, as tables that every evaluator has to follow.

mod queries;

use serde_json::value::RawValue;

use super::{Evaluation, Expression};
use crate::json::Node;
use crate::{Matcher, River};

fn check(body: &str, rows: &[(&str, bool)]) {
    let raw = RawValue::from_string(body.to_owned()).unwrap();
    for (text, expected) in rows {
        let expression = Expression::parse(text).unwrap();
        let evaluation = Evaluation::of(Node::Raw(raw.get()), 1);
        assert_eq!(expression.holds(&evaluation), Ok(*expected), "{text} on {body}");
        let river = River::new("r").when(text);
        let is_candidate = !Matcher::new([&river]).candidates(body.as_bytes()).is_empty();
        assert!(is_candidate || !expected, "{text} is ruled out on {body}");
    }
}

#[test]
fn numbers_are_equal_by_value_and_exactly() {
    check(
        r#"{"seven":7,"point":7.0,"text":"7","big":9007199254740992,"bigger":9007199254740993,
            "tiny":1e-17,"huge":1e400,"huger":10e399,"minus":-0,"cents":0.1,"max":9007199254740991,
            "long":0.1000000000000000055511151231257827,"hundred":1e2,"true":true,"neg":-5}"#,
        &[
            ("@.seven == 7", true),
            ("@.seven == 7.0", true),
            ("@.seven == 70e-1", true),
            ("@.point == 7", true),
            ("@.seven == @.point", true),
            ("@.text == 7", false),
            ("@.text == '7'", true),
            ("@.seven == '7'", false),
            ("@.seven != '7'", true),
            ("@.big == @.bigger", false),
            ("@.big < @.bigger", true),
            ("@.big > 9007199254740991", true),
            ("@.max == 9007199254740991", true),
            ("@.max < @.big", true),
            ("@.tiny == 0", false),
            ("@.tiny > 0", true),
            ("@.tiny == 0.00000000000000001", true),
            ("@.huge == @.huger", true),
            ("@.huge == 1e400", true),
            ("@.huge == 1e401", false),
            ("@.huge > 9007199254740991", true),
            ("@.minus == 0", true),
            ("@.minus == -0", true),
            ("@.minus == -0.0e3", true),
            ("@.cents == 0.1", true),
            ("@.cents == 1.0e-1", true),
            ("@.cents == 0.10", true),
            ("@.cents == @.long", false),
            ("@.long == 0.1", false),
            ("@.long == 0.1000000000000000055511151231257827", true),
            ("@.long > 0.1", true),
            ("@.hundred == 100", true),
            ("@.hundred >= 100.0", true),
            ("@.hundred > 99.999999999999999999999", true),
            ("@.neg < -4", true),
            ("@.neg < -5", false),
            ("@.neg <= -5", true),
            ("@.true == 1", false),
            ("@['true'] == true", true),
            ("1 == 1.0", true),
            ("1 > 2", false),
        ],
    );
}

#[test]
fn numbers_of_expressions_are_exact_however_large() {
    check(
        r#"{"a":9007199254740993,"b":-9007199254740994,"c":123456789012345678901234567890.5,
            "l":[9007199254740993,1]}"#,
        &[
            ("@.a == 9007199254740993", true),
            ("@.a == 9007199254740992", false),
            ("@.a > 9007199254740992 && @.a < 9007199254740994", true),
            ("@.b == -9007199254740994", true),
            ("-9007199254740993 > @.b", true),
            ("@.c==123456789012345678901234567890.50", true),
            ("@.c < 123456789012345678901234567891&&@.a", true),
            ("@.l[?@ == 9007199254740993]", true),
            ("@.l[?@==9007199254740992]", false),
            ("@.l[?(9007199254740993==@),1]", true),
            ("@.l[1,?@ == 9007199254740993.0] && @.l[0] == 9007199254740993", true),
        ],
    );
}

#[test]
fn halves_of_surrogate_pairs_are_characters_equal_to_themselves_only() {
    check(
        r#"{"a":"\ud800","b":"\ud801","same":"\uD800","mark":"\ufffd","two":"\ud800\ud800",
            "o":{"\ud800":1,"\ud801":2},"p":{"\ud801":2,"\ud800":1},"q":{"\ud800":1,"\ud802":2},
            "l":["\udc00","\udc01"]}"#,
        &[
            ("@.a == @.b", false),
            ("@.a == @.same", true),
            ("@.a == @.mark", false),
            ("@.a == '\u{fffd}'", false),
            ("@.a < @.b && @.b < @.mark", true),
            ("length(@.a) == 1 && length(@.two) == 2", true),
            ("length(@.o) == 2 && count(@.o.*) == 2", true),
            ("@.o == @.p", true),
            ("@.o == @.q", false),
            ("@.l[?@ == $.a]", false),
            ("match(@.a, '.')", false),
            (r"match(@.a, '\\P{Lu}')", false),
            ("search(@.a, '')", true),
        ],
    );
}

#[test]
fn missing_null_and_empty_are_three_things() {
    check(
        r#"{"null":null,"text":"","list":[],"object":{},"zero":0,"false":false}"#,
        &[
            ("@.missing", false),
            ("!@.missing", true),
            ("@['null']", true),
            ("@.null", true),
            ("@.text", true),
            ("@.list", true),
            ("@.object", true),
            ("@.zero", true),
            ("@.false", true),
            ("!@.false", false),
            ("@.null == null", true),
            ("@.missing == null", false),
            ("@.missing != null", true),
            ("@.null != null", false),
            ("@.missing == @.absent", true),
            ("@.missing != @.absent", false),
            ("@.missing == @.null", false),
            ("@.missing <= @.absent", true),
            ("@.missing < @.absent", false),
            ("@.null <= null", true),
            ("@.null < null", false),
            ("@.false <= false", true),
            ("@.false < true", false),
            ("@.missing < 1", false),
            ("@.missing >= 1", false),
            ("@.text == ''", true),
            ("@.text == null", false),
            ("@.zero == false", false),
            ("@.list[0]", false),
            ("@.list[*]", false),
            ("@.object.*", false),
            ("@.text[0]", false),
            ("@.text.length", false),
            ("@.missing.deeper", false),
            ("@.null.deeper", false),
            ("@", true),
            ("$", true),
        ],
    );
}

#[test]
fn keys_are_reached_however_they_are_written() {
    check(
        r#"{"a":{"b":{"c":1}},"a.b":2,"it's":3,"qu\"ote":4,"back\\slash":5,"new\nline":6,"":7,
            "\u00fcber":8,"🦀":9,"order-id":10,"0":11,"a b":12,"\u0061bc":13,"in":14,"null":15,"/":16}"#,
        &[
            ("@.a.b.c == 1", true),
            ("@['a']['b']['c'] == 1", true),
            ("@[\"a\"].b[\"c\"] == 1", true),
            ("@ .a .b == @.a.b", true),
            ("@.a.b == 2", false),
            ("@['a.b'] == 2", true),
            (r"@['it\'s'] == 3", true),
            ("@[\"it's\"] == 3", true),
            (r#"@["qu\"ote"] == 4"#, true),
            ("@['qu\"ote'] == 4", true),
            (r"@['back\\slash'] == 5", true),
            (r"@['new\nline'] == 6", true),
            ("@[''] == 7", true),
            ("@.über == 8", true),
            (r"@['\u00FCber'] == 8", true),
            (r"@['\uD83E\uDD80'] == 9", true),
            ("@.🦀 == 9", true),
            ("@['order-id'] == 10", true),
            ("@['0'] == 11", true),
            ("@[0] == 11", false),
            ("@['a b'] == 12", true),
            ("@.abc == 13", true),
            (r"@['\u0061bc'] == 13", true),
            ("@.in == 14 && @.null == 15", true),
            (r"@['\/'] == 16", true),
            ("@.A", false),
        ],
    );
}

#[test]
fn texts_compare_by_their_characters() {
    check(
        r#"{"a":"apple","b":"banana","esc":"a\"b\\c\/d\u00e9\n","upper":"Apple","crab":"\ud83e\udd80",
            "bmp":"\uffee","lit":"it's"}"#,
        &[
            ("@.a == 'apple'", true),
            ("@.a == \"apple\"", true),
            ("@.a == @.upper", false),
            ("@.a < @.b", true),
            ("@.a > @.b", false),
            ("@.a >= 'apple'", true),
            ("@.upper < @.a", true),
            ("'app' < @.a", true),
            (r#"@.esc == 'a"b\\c/dé\n'"#, true),
            (r#"@.esc == "a\"b\\c\/d\u00e9\u000A""#, true),
            ("@.crab == '🦀'", true),
            (r"@.crab == '\uD83E\uDD80'", true),
            ("@.bmp < @.crab", true),
            (r"@.lit == 'it\'s'", true),
            ("@.a < 1", false),
            ("@.a > 1", false),
            ("@.a == '&& || ]'", false),
        ],
    );
}

#[test]
fn operators_bind_as_in_the_rfc() {
    check(
        r#"{"t":true,"f":false,"n":1}"#,
        &[
            ("@.n == 1 && @.t == true", true),
            ("@.n == 1 && @.t == false", false),
            ("@.n == 2 || @.t == true", true),
            ("@.x || @.y || @.n", true),
            ("@.t || @.x && @.y", true),
            ("(@.t || @.x) && @.y", false),
            ("@.x && @.y || @.t", true),
            ("@.x && (@.y || @.t)", false),
            ("!(@.x || @.y)", true),
            ("!(@.n == 1)", false),
            ("!@.x && !@.y", true),
            ("((((@.t))))", true),
            ("!(!(@.t))", true),
            ("@.t==true&&@.f==false", true),
            ("\n @.t\t&&\r\n@.f ", true),
            ("! @.x", true),
        ],
    );
}

#[test]
fn composites_are_equal_deeply() {
    check(
        r#"{"a":{"x":1,"y":[1,2.0]},"b":{"y":[1.0,2],"x":1e0},"c":{"x":1},"l":[1,2],"m":[2,1],
            "r":{"k":1,"k":2},"s":{"k":1},"e":{},"f":[],"n":[9007199254740993],"o":[9007199254740992]}"#,
        &[
            ("@.a == @.b", true),
            ("@.a == @.c", false),
            ("@.c == @.a", false),
            ("@.a.y == @.l", true),
            ("@.l == @.m", false),
            ("@.l <= @.a.y", true),
            ("@.l < @.m", false),
            ("@.e == @.f", false),
            ("@.r == @.s", true),
            ("@.n == @.o", false),
            ("@.a == 1", false),
            ("@ == $", true),
            ("@.a != @.b", false),
        ],
    );
}
