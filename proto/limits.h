/*
 * limits.h - every limit, with unit and reason (DESIGN section 11).  Those that are settings too
 * are the defaults of daemon/config.def under the name given in brackets.
 */
#pragma once

/* The wire. */
#define LIMIT_FRAME_BYTES \
	65536u /* one frame after its length: FLASH waits for one frame at most \
		*/
#define LIMIT_MESSAGE_BYTES (17u << 20) /* a report and its envelope */
#define LIMIT_HELLO_BYTES 4096u		/* before Hello nobody may make us hold more */
#define LIMIT_MESSAGE_ELEMENTS \
	8192u		      /* fields in a message, all levels: bounds the unpacker (FACTS 32) */
#define LIMIT_ARENA_FACTOR 4u /* arena per request: factor x message + LIMIT_ARENA_EXTRA */
#define LIMIT_ARENA_EXTRA 65536u
#define LIMIT_LANES 4u	     /* one per precedence */
#define LIMIT_CHAIN_CERTS 4u /* leaf and intermediates that a signer may send */

/* The report. */
#define LIMIT_REPORT_BYTES \
	(16u << 20)	    /* manifest, routing, notice, seal, heads and bodies together */
#define LIMIT_PORTIONS 256u /* the largest commitment class */
#define LIMIT_LABELS_PER_PORTION 4u
#define LIMIT_CATEGORIES_PER_LABEL 32u
#define LIMIT_VALUES_PER_CATEGORY 256u
#define LIMIT_TOPIC_BYTES 255u
#define LIMIT_TOPIC_TOKENS 16u
#define LIMIT_AGREEMENTS_PER_REPORT 8u /* one byte of mask in the table 'given' */
#define LIMIT_AUDIENCE 256u	       /* names in only-to, and in not-to */
#define LIMIT_SOURCES_NAMED 32u
#define LIMIT_SOURCES_ALL 256u /* transitively */
#define LIMIT_SOURCES_BYTES \
	(48u << 20) /* read of the store for the sources of one report: some 32,000 recipients */
#define LIMIT_TITLE_BYTES 1024u
#define LIMIT_CONTENT_TYPE_BYTES 255u
#define LIMIT_NAME_BYTES 1024u	    /* vocabulary, classification, category, value */
#define LIMIT_SPIFFE_ID_BYTES 2048u /* SPIFFE-ID section 2.3 */
#define LIMIT_SIGNATURE_BYTES 1024u /* RSA 8192 */
#define LIMIT_PARTY_NAME_BYTES 64u  /* parties, agreements, rules, subscriptions, nodes */
#define LIMIT_TIME_MS \
	253402300799999ull /* the last millisecond of year 9999: RFC 3339 ends there */

/* Connections [limits { .. }]. */
#define LIMIT_CONNECTIONS 10000u	  /* [connections] */
#define LIMIT_CONNECTIONS_PER_PARTY 256u  /* [connections-per-party] */
#define LIMIT_HALF_OPEN 256u		  /* [half-open] from the first byte of TLS to Hello */
#define LIMIT_CONNECTIONS_PER_ADDRESS 64u /* [connections-per-address] */
#define LIMIT_HANDSHAKE_MS 5000u	  /* [handshake] absolute */
#define LIMIT_HELLO_MS 5000u		  /* [hello] absolute */
#define LIMIT_FRAME_MS \
	10000u /* [frame] absolute for one frame, plus its length at LIMIT_FRAME_RATE */
#define LIMIT_FRAME_RATE 32000u /* bytes/s */
#define LIMIT_IDLE_MS 120000u	/* [idle] with keep-alive */
#define LIMIT_DRAIN_MS 10000u	/* [drain] */
#define LIMIT_BARRED_MS 500u	/* the same for whoever is no longer allowed: within S9's second */
#define LIMIT_LINGER_MS 2000u	/* after an Error or alert: so long a peer has to read it */
#define LIMIT_OUTPUT_BYTES \
	65536u /* output buffer of a connection's lane: pull from the queue only below it */
#define LIMIT_NOTSENT_LOWAT \
	16384			   /* TCP_NOTSENT_LOWAT, so that FLASH does not wait in the kernel \
				    */
#define LIMIT_PUBLISH_WINDOW 1024u /* [publish-window] unanswered publishes of a connection */
#define LIMIT_PUBLISH_WINDOW_BYTES (16u << 20)
#define LIMIT_PUBLISH_RATE \
	20000u /* [publish-rate] reports a second of a party: above what one core takes in */
#define LIMIT_PUBLISH_RATE_BYTES (256ull << 20) /* [publish-rate-bytes] likewise, in bytes */
#define LIMIT_CREDIT 1024u /* [credit] undelivered acks of a subscription's connection */
#define LIMIT_PARTY_INPUT_BYTES \
	(256u << 20) /* unfinished messages of all connections of a party: 15 of the largest */
#define LIMIT_PARTY_OUTPUT_BYTES \
	(64u << 20) /* large reports on their way to a party: 4 of the largest, each held twice */
#define LIMIT_KEY_UPDATES 32u /* without application data between (FACTS 28) */
#define LIMIT_CHAIN_DEPTH 3
#define LIMIT_CERT_LIST_BYTES 16384
#define LIMIT_CRL_BYTES (32u << 20) /* a file of revocation lists; a large CA's has megabytes.. */
#define LIMIT_TRUST_BYTES (512u << 20) /* ..and all trust files of a policy together */

/* A worker's time (daemon/share.h). */
#define LIMIT_TURN_US 50u   /* one connection, then the next: it may end within a message later */
#define LIMIT_SHARE_US 100u /* one party in a millisecond, before it waits for the others.. */
#define LIMIT_SHARE_DEBT_US \
	10000u /* ..and what it took beyond it and still owes: a page of the log is some ms */
#define LIMIT_SLICE_US 100u /* those who wait, between two looks at the sockets */

/* Mailboxes. */
#define LIMIT_SUBSCRIPTIONS_PER_PARTY 256u /* [subscriptions-per-party] */
#define LIMIT_QUEUE_REPORTS 100000u	   /* [queue-reports] per party */
#define LIMIT_QUEUE_BYTES (2ull << 30)	   /* [queue-bytes] per party */
#define LIMIT_NACK_DELAY_MS 86400000u	   /* one day */
#define LIMIT_PUT_OFF 4096u		   /* deliveries of a subscription that Nacks put off */
/* of a recipient about a report, told to its originator; the log has all */
#define LIMIT_FEEDBACK_KEPT 16u
#define LIMIT_ACK_WAIT_MS 30000u   /* [ack-wait] */
#define LIMIT_MAX_DELIVERIES 16u   /* [max-deliveries] */
#define LIMIT_LETTERS_LOOKED 4096u /* read in one go for those that were sent: some 0.5 ms */
#define LIMIT_AGING_FLOOR 16u /* a lane that waits has 1 in 16 deliveries, and bytes, at least */

/* The store and the log. */
/* Records that a party causes at once by reading the log, answering, giving feedback, deleting
 * subscriptions: each makes the log grow by some 700 bytes.  One more in so long. */
#define LIMIT_AUDIT_READS 120u
#define LIMIT_AUDIT_READ_MS 1000u
#define LIMIT_BATCH_RECORDS 1024u    /* a commit takes at most so many records.. */
#define LIMIT_BATCH_BYTES (8u << 20) /* ..or bytes; one report alone is always admitted */
#define LIMIT_CHUNK_BYTES 1900u	     /* of a part in LMDB: no overflow pages (FACTS 9) */
#define LIMIT_DISK_FREE_PERCENT 10u  /* below it, or below LIMIT_DISK_FREE_BYTES, intake stops.. */
#define LIMIT_DISK_FREE_BYTES (1ull << 30) /* ..unless 'store { reserve }' says otherwise */
#define LIMIT_HEADS_GRID_MS 10000u	   /* heads are given out at most so often (AUDIT 5) */
#define LIMIT_PARTY_HEAD_MS 60000u	   /* PARTY_HEAD for every party that changed */
/* Clients raise an alarm about what no head covers for so long.. */
#define LIMIT_COVER_MS 120000u
/* ..so heads go out in time for what comes right behind a PARTY_HEAD, with 15 s to spare. */
#define LIMIT_HEADS_EVERY_MS (LIMIT_COVER_MS - LIMIT_PARTY_HEAD_MS - 15000u)
#define LIMIT_ERASE_RECORDS 1000u /* in one request: they are one transaction */
#define LIMIT_BACKUP_MS 14400000u /* [backup-within] a copy pins what is deleted meanwhile */
#define LIMIT_ATTEST_MS 60000u	  /* a client attests its party's tree at most so often (AUDIT 2) */
#define LIMIT_WITNESS_MS 5000u	  /* a witness's whole answer, absolute */
#define LIMIT_WITNESS_TOLD_MS 60000u /* a failure that lasts is logged so often */
#define LIMIT_SEGMENT_RECORDS 65536u /* [archive-segment] some hundred MB of records.. */
#define LIMIT_SEGMENT_LEAST 1024u    /* ..and one file of them */
#define LIMIT_CLOCK_AHEAD_S 60u
#define LIMIT_CLOCK_GAP_S 86400u /* [clock-gap] */
#define LIMIT_CRL_AGE_S 86400u	 /* [crl-max-age] */

/* Policy. */
#define LIMIT_AGREEMENTS 4096u
#define LIMIT_PARTIES 10000u
#define LIMIT_ANCHORS 64u /* that differ, of one party */
#define LIMIT_MEMBERS_PER_AGREEMENT 1024u
#define LIMIT_TERMS_SIGNERS 64u /* 'signatures required': each AGREEMENT record names them */
#define LIMIT_TERMS_SIGNATURE_BYTES 65536u /* a CMS file: four certificates, and room */
#define LIMIT_POLICY_FILE_BYTES (1u << 20)
#define LIMIT_POLICY_DEPTH 8u
#define LIMIT_POLICY_ERRORS 20u	  /* reported in one run */
#define LIMIT_POLICY_FILES 16384u /* includes of one load: a tree of includes must end */
#define LIMIT_SPIF_BYTES (4u << 20)
#define LIMIT_SPIF_DEPTH 32u	  /* elements within elements */
#define LIMIT_SPIF_CLASSES 64u	  /* a set of classifications is one word */
#define LIMIT_SPIF_VALUES 4096u	  /* of a vocabulary: a label is at most 64 words */
#define LIMIT_SPIF_MEMBERS 65536u /* of all groups: the whole world in 256 of them */
#define LIMIT_LABEL_XML_BYTES (1u << 20)
#define LIMIT_POLICY_DURATION_MS (36500ull * 86400000) /* 'within': a hundred years */
/* one compiled policy: 4,096 agreements of 1,024 members */
#define LIMIT_EPOCH_BYTES (4ull << 30)
