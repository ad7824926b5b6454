/* chain_anchors.c - a party's bundle and its revocation lists, read so that nothing is passed over.
 */
#include "proto/chain_anchors.h"

#include "proto/cert.h"

#include <assert.h>
#include <limits.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

/* PEM may ask for a passphrase on the terminal: never. */
static int
no_passphrase(char *buf, int size, int writing, void *ctx)
{
	(void)buf;
	(void)size;
	(void)writing;
	(void)ctx;
	return -1;
}

static int
digest_order(const void *a, const void *b)
{
	return memcmp(
	    ((const struct chain_anchor *)a)->digest, ((const struct chain_anchor *)b)->digest, 32);
}

static bool
anchor_add(struct chain_anchors *a, X509 *x, struct err *e)
{
	if (X509_check_ca(x) != 1)
		return err_set(e, ERR_DATA,
		    "certificate %zu of the bundle is not that of a certification authority",
		    a->count + 1);
	struct chain_anchor *more = realloc(a->anchors, (a->count + 1) * sizeof(*more));
	if (more == NULL)
		return err_set(e, ERR_NOMEM, "anchors");
	a->anchors = more;
	if (X509_digest(x, EVP_sha256(), more[a->count].digest, NULL) != 1 ||
	    X509_STORE_add_cert(a->store, x) != 1)
		return err_set(e, ERR_NOMEM, "anchors");
	more[a->count++].until = cert_time(X509_get0_notAfter(x));
	return true;
}

/*
 * How many PEM blocks a file says it has: each has two lines with five dashes at either end (RFC
 * 7468).  A reader skips what it does not know, so a block with a broken line, or of another kind,
 * would be left out in silence; it shows as a count that is not four for each block that was read.
 */
static bool
all_blocks_were_read(struct bytes pem, size_t blocks)
{
	size_t dashes = 0;
	while (pem.len >= 5) {
		size_t step = memcmp(pem.data, "-----", 5) == 0 ? 5 : 1;
		dashes += step == 5;
		pem.data += step;
		pem.len -= step;
	}
	return dashes == 4 * blocks;
}

/* Reading stopped because no block was left, not because one was damaged. */
static bool
stopped_at_the_end(void)
{
	unsigned long last = ERR_peek_last_error();
	ERR_clear_error();
	return ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
}

static bool
anchors_read(struct chain_anchors *a, struct bytes pem, struct err *e)
{
	if (pem.len > INT_MAX)
		return err_set(e, ERR_LIMIT, "the bundle has %zu bytes", pem.len);
	BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.len);
	if (bio == NULL)
		return err_set(e, ERR_NOMEM, "bundle");
	bool ok = true;
	ERR_clear_error();
	for (X509 *x; ok && (x = PEM_read_bio_X509(bio, NULL, no_passphrase, NULL)) != NULL;) {
		ok = anchor_add(a, x, e);
		X509_free(x);
	}
	BIO_free(bio);
	bool whole = stopped_at_the_end();
	if (!ok)
		return false;
	if (!whole)
		return err_set(
		    e, ERR_DATA, "certificate %zu of the bundle cannot be read", a->count + 1);
	if (a->count == 0)
		return err_set(e, ERR_DATA, "the bundle holds no certificate");
	if (!all_blocks_were_read(pem, a->count))
		return err_set(e, ERR_DATA,
		    "the bundle holds something beside its %zu certificate%s, or a broken BEGIN or "
		    "END line",
		    a->count, a->count == 1 ? "" : "s");
	return true;
}

/* Two lists of one authority: the same name and the same key (RFC 5280, 5.2.1), so that the lists
 * of an authority that changes its key stand side by side. */
static bool
same_authority(X509_CRL *a, X509_CRL *b)
{
	if (X509_NAME_cmp(X509_CRL_get_issuer(a), X509_CRL_get_issuer(b)) != 0)
		return false;
	AUTHORITY_KEYID *x = X509_CRL_get_ext_d2i(a, NID_authority_key_identifier, NULL, NULL);
	AUTHORITY_KEYID *y = X509_CRL_get_ext_d2i(b, NID_authority_key_identifier, NULL, NULL);
	bool other = x != NULL && y != NULL && x->keyid != NULL && y->keyid != NULL &&
		     ASN1_OCTET_STRING_cmp(x->keyid, y->keyid) != 0;
	AUTHORITY_KEYID_free(x);
	AUTHORITY_KEYID_free(y);
	return !other;
}

/* Takes 'crl' in place of an older one of the same authority; false on shortage. */
static bool
crl_keep_newest(struct chain_anchors *a, X509_CRL *crl)
{
	for (int i = 0; i < sk_X509_CRL_num(a->crls); i++) {
		X509_CRL *had = sk_X509_CRL_value(a->crls, i);
		if (!same_authority(had, crl))
			continue;
		bool newer = cert_time(X509_CRL_get0_lastUpdate(crl)) >
			     cert_time(X509_CRL_get0_lastUpdate(had));
		if (newer)
			(void)sk_X509_CRL_set(a->crls, i, crl);
		X509_CRL_free(newer ? had : crl);
		return true;
	}
	if (sk_X509_CRL_push(a->crls, crl) > 0)
		return true;
	X509_CRL_free(crl);
	return false;
}

/* Takes 'crl'.  'number' is the file's. */
static bool
crl_add(struct chain_anchors *a, X509_CRL *crl, size_t number, struct err *e)
{
	/* delta lists and lists for some certificates only would need more than a look-up */
	bool plain = X509_CRL_get_ext_by_critical(crl, 1, -1) < 0 &&
		     X509_CRL_get_ext_by_NID(crl, NID_delta_crl, -1) < 0;
	if (!plain || X509_CRL_get0_nextUpdate(crl) == NULL) {
		X509_CRL_free(crl);
		return err_set(e, ERR_DATA,
		    plain ? "revocation list %zu has no nextUpdate"
			  : "revocation list %zu is partial (a critical extension or a delta)",
		    number);
	}
	return crl_keep_newest(a, crl) || err_set(e, ERR_NOMEM, "revocation lists");
}

/* Every list of a PEM file: one that is passed over would leave a revoked certificate good. */
static bool
crls_read_pem(struct chain_anchors *a, struct bytes in, size_t number, struct err *e)
{
	BIO *bio = BIO_new_mem_buf(in.data, (int)in.len);
	if (bio == NULL)
		return err_set(e, ERR_NOMEM, "revocation lists");
	bool ok = true;
	size_t count = 0;
	ERR_clear_error();
	for (X509_CRL *crl;
	     ok && (crl = PEM_read_bio_X509_CRL(bio, NULL, no_passphrase, NULL)) != NULL; count++)
		ok = crl_add(a, crl, number, e);
	BIO_free(bio);
	bool whole = stopped_at_the_end();
	if (!ok)
		return false;
	if (!whole || count == 0)
		return err_set(e, ERR_DATA, "revocation list %zu cannot be read", number);
	return all_blocks_were_read(in, count) ||
	       err_set(e, ERR_DATA,
		   "revocation list %zu holds something beside lists, or a broken BEGIN or END "
		   "line",
		   number);
}

/* One file: a list in DER, or lists in PEM. */
static bool
crl_read(struct chain_anchors *a, struct bytes in, size_t number, struct err *e)
{
	if (in.len == 0 || in.len > INT_MAX)
		return err_set(e, ERR_DATA, "revocation list %zu cannot be read", number);
	if (in.data[0] != 0x30) /* DER begins with a SEQUENCE, X.690 8.9 */
		return crls_read_pem(a, in, number, e);
	const unsigned char *at = in.data;
	X509_CRL *crl = d2i_X509_CRL(NULL, &at, (long)in.len);
	ERR_clear_error();
	if (crl != NULL && at == in.data + in.len)
		return crl_add(a, crl, number, e);
	X509_CRL_free(crl);
	return err_set(e, ERR_DATA, "revocation list %zu cannot be read", number);
}

static bool
crls_read(struct chain_anchors *a, const struct bytes *crls, size_t count, struct err *e)
{
	for (size_t i = 0; i < count; i++)
		if (!crl_read(a, crls[i], i + 1, e))
			return false;
	for (int i = 0; i < sk_X509_CRL_num(a->crls); i++) {
		X509_CRL *crl = sk_X509_CRL_value(a->crls, i);
		int64_t made = cert_time(X509_CRL_get0_lastUpdate(crl));
		int64_t next = cert_time(X509_CRL_get0_nextUpdate(crl));
		a->crl_made = made < a->crl_made ? made : a->crl_made;
		a->crl_next = next < a->crl_next ? next : a->crl_next;
		if (X509_STORE_add_crl(a->store, crl) != 1)
			return err_set(e, ERR_NOMEM, "revocation lists");
	}
	return true;
}

static struct chain_anchors *
anchors_empty(void)
{
	struct chain_anchors *a = calloc(1, sizeof(*a));
	if (a == NULL || (a->store = X509_STORE_new()) == NULL ||
	    (a->crls = sk_X509_CRL_new_null()) == NULL) {
		chain_anchors_free(a);
		return NULL;
	}
	a->crl_made = a->crl_next = INT64_MAX;
	return a;
}

bool
chain_anchors_new(struct bytes bundle, const struct bytes *crls, size_t count,
    struct chain_anchors **out, struct err *e)
{
	SCOPED(chain_anchors_free) struct chain_anchors *a = anchors_empty();
	if (a == NULL)
		return err_set(e, ERR_NOMEM, "anchors");
	if (!anchors_read(a, bundle, e) || !crls_read(a, crls, count, e))
		return false;
	qsort(a->anchors, a->count, sizeof(*a->anchors), digest_order);
	*out = MOVE(a);
	return true;
}

bool
chain_anchors_from_der(
    const struct bytes *der, size_t count, struct chain_anchors **out, struct err *e)
{
	SCOPED(chain_anchors_free) struct chain_anchors *a = anchors_empty();
	bool ok = a != NULL || err_set(e, ERR_NOMEM, "anchors");
	for (size_t i = 0; ok && i < count; i++) {
		X509 *x = NULL;
		ok = cert_from_der(der[i], &x, e) && anchor_add(a, x, e);
		X509_free(x);
	}
	if (!ok)
		return false;
	if (a->count > 1)
		qsort(a->anchors, a->count, sizeof(*a->anchors), digest_order);
	*out = MOVE(a);
	return true;
}

void
chain_anchors_free(struct chain_anchors *a)
{
	if (a == NULL)
		return;
	X509_STORE_free(a->store);
	sk_X509_CRL_pop_free(a->crls, X509_CRL_free);
	free(a->anchors);
	free(a);
}

size_t
chain_anchors_count(const struct chain_anchors *a)
{
	return a->count;
}

const uint8_t *
chain_anchors_digest(const struct chain_anchors *a, size_t i)
{
	assert(i < a->count);
	return a->anchors[i].digest;
}

int64_t
chain_anchors_until(const struct chain_anchors *a, size_t i)
{
	assert(i < a->count);
	return a->anchors[i].until;
}

int64_t
chain_crl_made(const struct chain_anchors *a)
{
	return a->crl_made;
}

int64_t
chain_crl_next(const struct chain_anchors *a)
{
	return a->crl_next;
}
