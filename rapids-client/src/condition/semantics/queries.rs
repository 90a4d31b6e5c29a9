//! What queries of several places and functions mean.

use super::check;

#[test]
fn arrays_are_indexed_sliced_and_filtered() {
    check(
        r#"{"items":[{"sku":"a","quantity":1},{"sku":"b","quantity":12,"tags":["x","y"]},
            {"quantity":"20"}],"n":[1,2,3,4,5],"limit":10,"deep":[[1],[2,[3]]],"by":{"p":{"v":1},"q":{"v":2}}}"#,
        &[
            ("@.items[0].sku == 'a'", true),
            ("@.items[-1].quantity == '20'", true),
            ("@.items[-3].sku == 'a'", true),
            ("@.items[-4]", false),
            ("@.items[3]", false),
            ("@.items[?@.quantity > 10]", true),
            ("@.items[?@.quantity > 12]", false),
            ("@.items[?@.quantity > $.limit]", true),
            ("@.items[?@.quantity > @.limit]", false),
            ("@.items[?@.sku == 'a' && @.quantity == 1]", true),
            ("@.items[?@.sku == 'a' && @.quantity == 12]", false),
            ("@.items[?!@.sku]", true),
            ("@.items[?@.tags[?@ == 'y']]", true),
            ("@.items[?@.tags[?@ == 'z']]", false),
            ("@.items[?@.tags[?@ == $.items[0].sku]]", false),
            ("!@.items[?@.quantity > 100]", true),
            ("@.n[1:3]", true),
            ("@.n[5:]", false),
            ("@.n[?@ > 4]", true),
            ("@.n[?@ > 5]", false),
            ("@.n[7,0]", true),
            ("@.n[7,8]", false),
            ("@['x','n']", true),
            ("@.n['x',?@ == 3]", true),
            ("@.n[::0]", false),
            ("count(@.n[::-2]) == 3", true),
            ("count(@.n[-2:]) == 2", true),
            ("count(@.n[0,0,1]) == 3", true),
            ("@.deep[1][1][0] == 3", true),
            ("@.by[?@.v == 2]", true),
            ("@.by[?@.v == 3]", false),
            ("@.by.*", true),
            ("@[?@.p.v == 1]", true),
            ("@.limit[?@ == 10]", false),
        ],
    );
}

#[test]
fn descent_reaches_every_level() {
    check(
        r#"{"a":{"id":1,"b":[{"id":2},{"c":{"id":3}}]},"id":0}"#,
        &[
            ("@..id", true),
            ("@..x", false),
            ("count(@..id) == 4", true),
            ("count(@.a..id) == 3", true),
            ("count(@..*) == 9", true),
            ("count(@..[0]) == 1", true),
            ("count(@..['id','c']) == 5", true),
            ("@..[?@.id == 3]", true),
            ("@..[?@.id == 4]", false),
            ("@..c.id", true),
            ("value(@..c.id) == 3", true),
        ],
    );
}

#[test]
fn functions_do_as_the_rfc_says() {
    check(
        r#"{"s":"🦀ab","l":[1,[2],"xay"],"o":{"a":1,"b":2},"n":5,"nul":null,"date":"2024-05-01",
            "lines":"a\nb","cr":"a\rb","re":"[0-9]{4}.*","bad":"(","dup":{"k":1,"k":2},"d":"a.c"}"#,
        &[
            ("length(@.s) == 3", true),
            ("length(@.l) == 3", true),
            ("length(@.o) == 2", true),
            ("length(@.dup) == 1", true),
            ("length(@.n) == 1", false),
            ("length(@.n) == @.missing", true),
            ("length(@.nul) == length(@.missing)", true),
            ("length('abc') == 3", true),
            ("length(value(@.o.a)) == @.none", true),
            ("length(value(@..l)) >= 3", true),
            ("length(@.s) < length(@.date)", true),
            ("count(@.l[*]) == 3", true),
            ("count(@.missing) == 0", true),
            ("count(@.n) == 1", true),
            ("count(@.o.*) > 1", true),
            ("value(@.o.*) == 1", false),
            ("value(@.o.*) == @.missing", true),
            ("value(@.o['a']) == 1", true),
            ("value(@.nul) == null", true),
            ("match(@.date, '[0-9]{4}-05-[0-9]{2}')", true),
            ("match(@.date, '2024')", false),
            ("match(@.date, '2024|.*01')", true),
            ("search(@.date, '-05-')", true),
            ("search(@.date, '-06-')", false),
            ("!search(@.date, '-06-')", true),
            ("match(@.lines, 'a.b')", false),
            ("match(@.cr, 'a.b')", false),
            (r"match(@.lines, 'a\\nb')", true),
            ("search(@.lines, 'b')", true),
            ("match(@.n, '5')", false),
            ("match(@.missing, '.*')", false),
            ("match(@.date, 5)", false),
            ("match(@.date, @.re)", true),
            ("search(@.date, @.bad)", false),
            ("search(@.date, @.missing)", false),
            ("match('abc', 'a.c')", true),
            ("search(@.date, '^2024')", true),
            ("search(@.date, '^05')", false),
            (r"match(@.d, 'a\\.c')", true),
            (r"match(@.s, '\\p{So}[a-z]+')", true),
            ("@.l[?match(@, 'x.y')]", true),
            ("@.l[?length(@) == 1]", true),
            ("@.l[?count(@.*) == 1]", true),
            ("@.l[?search(@, $.missing)]", false),
        ],
    );
}
