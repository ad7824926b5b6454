/* example.c - publishes one report and receives one: cc example.c $(pkg-config --cflags --libs
 * relto) */
#include <relto.h>
#include <stdio.h>
#include <stdlib.h>

static void
die(const char *what, const struct relto_error *e)
{
	fprintf(stderr, "%s: %s: %s %s\n", what, e->code, e->text, e->field);
	exit(e->exit_status);
}

int
main(int argc, char **argv)
{
	if (argc != 7) {
		fprintf(
		    stderr, "usage: %s SERVER HUB-ID HUB-CA CERTIFICATE KEY TRUST-DIR\n", argv[0]);
		return 64;
	}
	struct relto_error e;
	struct relto_context *ctx = relto_context_new(&e);
	if (ctx == NULL || !relto_context_server(ctx, argv[1], &e) ||
	    !relto_context_hub_file(ctx, argv[2], argv[3], &e) ||
	    !relto_context_identity_files(ctx, argv[4], argv[5], &e) ||
	    !relto_context_trust_dir(ctx, argv[6], &e))
		die("context", &e);
	struct relto_connection *c = relto_connect(ctx, &e);
	if (c == NULL)
		die("connect", &e);
	const char *to[] = { "NOR", "GBR" }, *under[] = { "atlas" };
	struct relto_category rel = { "Releasable To", { to, 2 } };
	struct relto_label labels[] = { { "ATLAS", "SECRET", &rel, 1 },
		{ "TLP", "AMBER", NULL, 0 } };
	struct relto_portion text = { labels, 2, "text/plain", "Skiffs", { "Two of them.", 12 } };
	struct relto_report report = { .topic = "maritime.piracy" };
	report.agreements = (struct relto_texts){ under, 1 };
	report.portions = &text;
	report.portion_count = 1;
	struct relto_receipt *receipt;
	if (!relto_publish(c, &report, &receipt, &e))
		die("publish", &e);
	printf("durable as record %llu\n", (unsigned long long)receipt->index);
	relto_receipt_free(receipt);

	struct relto_subscription_request inbox = { .name = "inbox" };
	struct relto_delivery *d;
	if (!relto_subscribe(c, &inbox, NULL, &e))
		die("subscribe", &e);
	if (relto_next(c, 5000, &d, &e)) {
		printf("%s: %zu portions on %s\n", d->why, d->portion_count, d->topic);
		if (!relto_ack(c, d, &e))
			die("ack", &e);
		relto_delivery_free(d);
	}
	relto_close(c);
	relto_context_free(ctx);
	return 0;
}
