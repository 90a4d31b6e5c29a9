//! What people say of a letter.

use super::*;

#[tokio::test]
async fn what_is_said_of_a_letter_is_kept_in_its_order_whatever_becomes_of_it() {
    let office = Office::open().await;
    let (id, other) = ("payment.charge.17", "payment.charge.17-2");
    let (id, other) = (office.put(id, &[]).await, office.put(other, &[]).await);
    let letters = office.letters().await;
    assert!(letters.comments(&id).await.unwrap().is_empty());
    letters.comment(&id, " I ask the bank.\n", &ada()).await.unwrap();
    letters.comment(&other, "another", &ada()).await.unwrap();
    letters.replay(&id, &ada()).await.unwrap();
    letters.comment(&id, "They say it works.", &Note::new("bob")).await.unwrap();
    let said = letters.comments(&id).await.unwrap();
    let said: Vec<_> = said.iter().map(|it| (it.who.as_str(), it.text.as_str())).collect();
    assert_eq!(said, [("ada", "I ask the bank."), ("bob", "They say it works.")]);
    let log = letters.operations().since(None).await.unwrap();
    let log: Vec<_> = log.iter().map(|it| format!("{} {}", it.what, it.target)).collect();
    assert_eq!(log[0], "comment payment.charge.17");
}

#[tokio::test]
async fn what_says_nothing_or_is_about_nothing_is_refused() {
    let office = Office::open().await;
    let id = office.put("payment.charge.17", &[]).await;
    let letters = office.letters().await;
    for text in [" ".to_owned(), "x".repeat(4_001)] {
        let error = letters.comment(&id, &text, &ada()).await.unwrap_err().to_string();
        assert!(error.contains("1 to 4000 bytes"), "{error}");
    }
    let gone: LetterId = "payment.charge.99".parse().unwrap();
    let error = letters.comment(&gone, "hello", &ada()).await.unwrap_err();
    assert_eq!(refusal(error), Refusal::Unknown);
    assert!(letters.operations().since(None).await.unwrap().is_empty());
}
