//! What is said of texts that are no expressions, as a table.

use super::Expression;

/// Each expression is followed by the place and the reason of its fault.
const FAULTS: &str = r##"
@.a ==
    at column 7: the end stands where a value to compare with should
== 5
    at column 1: `==` stands where a condition should
@.a = 1
    at column 5: `=` is no operator; equality is `==`
@.a === 1
    at column 7: `=` is no operator; equality is `==`
@.a >> 5
    at column 6: `>` stands where a value to compare with should
@.a <> 5
    at column 6: `>` stands where a value to compare with should
@.a & @.b
    at column 5: `&` is written `&&`
@.a | @.b
    at column 5: `|` is written `||`
@.a &&
    at column 7: the end stands where a condition should
@.a || || @.b
    at column 8: `||` stands where a condition should
@.a and @.b
    at column 5: `and` is written `&&`
not @.a
    at column 1: `not` is written `!`
@.a in ['x']
    at column 5: `in` is not in RFC 9535; join comparisons with `||`
nin(@.a, @.b)
    at column 1: `nin` is not in RFC 9535; join comparisons with `||`
total > 5
    at column 1: `total` stands alone; the key of a packet is `@.total`, a text is `'total'`
@.total > limit
    at column 11: `limit` stands alone; the key of a packet is `@.limit`, a text is `'limit'`
.total > 5
    at column 1: a query begins with `@` or `$`
foo(@.a) == 1
    at column 1: `foo` is no function; these are: length, count, value, match, search
@.order-id == 1
    at column 8: a key that holds a `-` is written in brackets: `@['order-id']`
@.a - 1 == 2
    at column 5: `-` is no operator; expressions do not calculate
@.a * 2 == 4
    at column 5: `*` is no operator; expressions do not calculate
@.1a
    at column 3: a key that begins with a digit is written `['1a']`
@.a.
    at column 5: a key or `*` must follow the point
@. a == 1
    at column 3: a key or `*` must follow the point
@.. a
    at column 4: a key or `*` must follow the point
@..
    at column 4: a key or `*` must follow the point
@.na me == 1
    at column 6: an operator is missing before `me`
@.a @.b
    at column 5: an operator is missing before `@.b`
@.a == 1 2
    at column 10: an operator is missing before `2`
(@.a
    at column 1: `(` is never closed
@.a)
    at column 4: `)` closes nothing
@.a]
    at column 4: `]` closes nothing
@.a], $[?@.b
    at column 4: `]` closes nothing
@.a][?@.b
    at column 4: `]` closes nothing
@.a, ?@.b
    at column 4: `,` joins nothing; conditions are joined with `&&` or `||`
@.a[
    at column 4: `[` is never closed
@.a[x]
    at column 5: `x` stands alone; the key of a packet is `@.x`, a text is `'x'`
@.a[]
    at column 5: `]` stands where a key in quotes, an index or `*` should
@.a[1.5]
    at column 5: `1` stands where a key in quotes, an index or `*` should
@.a[01]
    at column 5: number `01` begins with a needless zero
@.a[-0]
    at column 5: `-` stands where a key in quotes, an index or `*` should
@.a[1:2:x]
    at column 9: `x` stands alone; the key of a packet is `@.x`, a text is `'x'`
@.a[?@.b
    at column 4: `[` is never closed
@.a == 'x
    at column 8: the string that begins here never ends
@.a == 'x\d'
    at column 10: `\d` is no escape within single quotes
@.a == 'x\u12'
    at column 10: four hexadecimal digits must follow `\u`
@.a == '\ud800'
    at column 9: half of a surrogate pair is no character
@.a == "it\'s"
    at column 11: `\'` is no escape within double quotes
1
    at column 2: the end stands where an operator should
true
    at column 5: the end stands where an operator should
'a'
    at column 4: the end stands where an operator should
@.a == [1]
    at column 8: `[` stands where a value to compare with should
@.a == {}
    at column 8: `{` means nothing here
@.a == (1)
    at column 8: `(` stands where a value to compare with should
@.a == !@.b
    at column 8: `!` stands where a value to compare with should
!@.a == 1
    at column 6: `==` cannot stand here; its sides are single values: literals, queries of one place or functions
!!@.a
    at column 2: `!` stands where an operator should
@.a == @.b == @.c
    at column 12: `==` cannot stand here; its sides are single values: literals, queries of one place or functions
@.a[*] == 1
    at column 8: `==` cannot stand here; its sides are single values: literals, queries of one place or functions. Whether it holds of any of several is asked so: `@.a[?@ == 1]`
@..a == 1
    at column 6: `==` cannot stand here; its sides are single values: literals, queries of one place or functions
@[9007199254740993]
    at column 3: index `9007199254740993` is beyond ±9007199254740991, the largest of RFC 9535
@.é[0:-9007199254740993]
    at column 7: index `-9007199254740993` is beyond ±9007199254740991, the largest of RFC 9535
@.a == 9007199254740993 9
    at column 25: an operator is missing before `9`
@.a == 01
    at column 8: number `01` begins with a needless zero
@.a == 1.
    at column 10: a key or `*` must follow the point
@.a == 1e
    at column 9: an operator is missing before `e`
@.a == #
    at column 8: `#` means nothing here
length(@.a)
    : `length` yields a value, which must be compared
@.b && length(@.a)
    in `length(@.a)`: `length` yields a value, which must be compared
@.b && (@.c || count(@.a))
    in `(@.c || count(@.a))`: `count` yields a value, which must be compared
value(@.a)
    : `value` yields a value, which must be compared
length(@.a.*) == 1
    : `length` takes one value, but `@.a[*]` can name several
length(@..a) > 1 || @.b
    in `length(@..a) > 1`: `length` takes one value, but `@..['a']` can name several
length(@.a == 1) == 1
    at column 12: `==` cannot stand here; its sides are single values: literals, queries of one place or functions
length(match(@.a, 'x')) == 1
    : `match` is true or false by itself and cannot be compared
length() == 1
    at column 1: `length` takes 1 argument, not 0
length(@.a, @.b) == 1
    at column 1: `length` takes 1 argument, not 2
length (@.a) == 1
    at column 1: `length` is a function; its `(` must follow
length == 1
    at column 1: `length` is a function; its `(` must follow
count(1) == 1
    : `count` takes a query, such as `@.items[*]`
@.b && count('x') == 1
    in `count('x') == 1`: `count` takes a query, such as `@.items[*]`
count(length(@.a)) == 1
    : `count` takes a query, such as `@.items[*]`
value(1) == 1
    : `value` takes a query, such as `@.items[*]`
value((@.a)) == 1
    : `value` takes a query, such as `@.items[*]`
match(@.a)
    at column 1: `match` takes 2 arguments, not 1
match(@.a, 'x') == true
    : `match` is true or false by itself and cannot be compared
@.b && true == search(@.a, 'x')
    in `true == search(@.a, 'x')`: `search` is true or false by itself and cannot be compared
match(@.*, 'x')
    : `match` takes one value, but `@[*]` can name several
match(@.a, '(')
    : `(` is no regular expression: `(` is never closed
@.b || search(@.a, '\\d+')
    in `search(@.a, '\\d+')`: `\d+` is no regular expression: `\d` is not in RFC 9485; `[0-9]` is
match(@.a, '[0-9')
    : `[0-9` is no regular expression: `[` is never closed
match(match(@.a, 'x'), 'y')
    : `match` is true or false by itself and cannot be compared
@.a == 1 && @.b ==
    at column 19: the end stands where a value to compare with should
@.a[?@.b = 1]
    at column 10: `=` is no operator; equality is `==`
(@.a == 1
    at column 1: `(` is never closed
match(@.a, 'a{2,1}')
    : `a{2,1}` is no regular expression: a range or a repetition in it runs backwards, or it nests too deep
@.items[*].q > 10
    at column 14: `>` cannot stand here; its sides are single values: literals, queries of one place or functions. Whether it holds of any of several is asked so: `@.items[?@.q > 10]`
@.a && $.items[*] == 'x y' || @.b
    at column 19: `==` cannot stand here; its sides are single values: literals, queries of one place or functions. Whether it holds of any of several is asked so: `$.items[?@ == 'x y']`
@.orders[*].items[*].q > 10
    at column 24: `>` cannot stand here; its sides are single values: literals, queries of one place or functions. Whether it holds of any of several is asked so: `@.orders[*].items[?@.q > 10]`
@.sku.starts_with('a')
    at column 7: `starts_with` is no function, and values have none; how a text begins is asked by `match(@.sku, 'a.*')`
@.a && @.items[0].sku.endsWith("a")
    at column 23: `endsWith` is no function, and values have none; how a text ends is asked by `match(@.items[0].sku, '.*a')`
@.sku.contains('a')
    at column 7: `contains` is no function, and values have none; what a text contains is asked by `search(@.sku, 'a')`
@.items.length() > 1
    at column 9: `length` is no function of a value; write `length(@.items)`
@.sku.upper()
    at column 7: `upper` is no function, and values have none; these are: length, count, value, match, search
starts_with(@.sku, 'a')
    at column 1: `starts_with` is no function; how a text begins is asked by `match(@.sku, 'a.*')`
@type == 'Order'
    at column 1: the key `type` of a packet is `@.type`, the key `@type` is `@['@type']`
@.a && $schema
    at column 8: the key `schema` of a packet is `@.schema`, the key `$schema` is `@['$schema']`
@.größe > 1 and @.b
    at column 13: `and` is written `&&`
"##;

#[test]
fn bad_expressions_are_refused_with_place_and_reason() {
    let lines: Vec<&str> = FAULTS.trim().lines().collect();
    for row in lines.chunks_exact(2) {
        let error = Expression::parse(row[0]).unwrap_err().to_string();
        let said = error.strip_prefix(&format!("expression `{}` is wrong", row[0])).unwrap();
        assert_eq!(said.trim_start(), row[1].trim_start(), "{}", row[0]);
    }
}

#[test]
fn blank_text_is_no_expression() {
    for text in ["", "  ", "\n"] {
        let error = Expression::parse(text).unwrap_err();
        assert!(error.to_string().ends_with(": the end stands where a condition should"));
        assert!(error.to_string().contains(&format!(" at column {}: ", text.len() + 1)));
    }
}

#[test]
fn columns_count_characters_of_the_whole_text() {
    let error = Expression::parse("@.größe == '🦀' &&\n @.x = 1").unwrap_err();
    assert!(error.to_string().contains(" at column 24: "), "{error}");
}
