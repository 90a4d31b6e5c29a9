//! An order as a line.

use super::palette::{Palette, paint};
use crate::order_status::{OrderStatus, Step};

/// Number, customer, total, items, and what happened to the order, oldest first.
pub(crate) fn line(order: &OrderStatus, palette: &Palette) -> String {
    let items = &order.wanted.items;
    let total: u64 =
        items.iter().map(|item| u64::from(item.quantity) * u64::from(item.price)).sum();
    let item = |item: &crate::orders::Item| {
        let product = item.sku.split_once('/').map_or(item.sku, |(_, product)| product);
        format!("{} {product}", item.quantity)
    };
    let items: Vec<_> = items.iter().map(item).collect();
    let head = format!(
        "{:>5}  {:8} {:>9}  {:<20}",
        order.number,
        order.wanted.customer,
        format!("{}.{:02}", total / 100, total % 100),
        items.join(", "),
    );
    let steps: Vec<_> = order.steps.iter().filter_map(|step| word(step, palette)).collect();
    format!("{head}  {}", steps.join(" "))
}

/// What the event means to the customer. Notifications are left out, because every order has them.
fn word(step: &Step, palette: &Palette) -> Option<String> {
    let (style, word) = match step.event.as_str() {
        "order_placed" => (palette.faint, "placed"),
        "order_refused" => (palette.bad, "refused"),
        "invoice_sent" => (palette.faint, "invoiced"),
        "payment_received" => (palette.faint, "paid"),
        "payment_overdue" => (palette.bad, "overdue"),
        "payment_declined" => (palette.bad, "declined"),
        "payment_failed" => (palette.bad, "failed"),
        "payment_refunded" => (palette.undone, "refunded"),
        "stock_reserved" => (palette.faint, "reserved"),
        "stock_short" => (palette.faint, "short"),
        "delivery_date_accepted" => (palette.faint, "accepted"),
        "out_of_stock" => (palette.bad, "out-of-stock"),
        "stock_released" => (palette.undone, "released"),
        "shipment_scheduled" => (palette.faint, "scheduled"),
        "order_packaged" => (palette.faint, "packaged"),
        "order_completed" => (palette.good, "completed"),
        "order_cancelled" => (palette.undone, "cancelled"),
        _ => return None,
    };
    Some(paint(style, word))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::order_status::tests::{COMPLETED, order};

    #[test]
    fn line_reads_without_colour() {
        assert_eq!(
            line(&order(&COMPLETED), &Palette::plain()),
            "    1  ada         599.00  1 canoe               \
             placed paid reserved scheduled packaged completed"
        );
    }

    #[test]
    fn colours_change_no_word() {
        let coloured = line(&order(&["order_refused"]), &Palette::coloured());
        assert!(coloured.contains("\x1b[31mrefused\x1b[0m"), "{coloured:?}");
    }
}
