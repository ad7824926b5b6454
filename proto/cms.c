#include "proto/cms.h"

#include "proto/chain.h"
#include "proto/limits.h"

#include <openssl/cms.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

static bool
is_hash(int nid)
{
	return nid == NID_sha256 || nid == NID_sha384 || nid == NID_sha512;
}

/* PSS as design section 6 has it: SHA-256 throughout, a salt of 32 bytes. */
static bool
is_our_pss(const X509_ALGOR *algorithm, int hash)
{
	const ASN1_OBJECT *mgf1;
	int type;
	const void *value;
	RSA_PSS_PARAMS *p =
	    algorithm->parameter == NULL
		? NULL
		: ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(RSA_PSS_PARAMS), algorithm->parameter);
	X509_ALGOR *mask = NULL;
	if (p != NULL && p->maskGenAlgorithm != NULL) {
		X509_ALGOR_get0(&mgf1, &type, &value, p->maskGenAlgorithm);
		if (OBJ_obj2nid(mgf1) == NID_mgf1 && type == V_ASN1_SEQUENCE)
			mask = ASN1_TYPE_unpack_sequence(
			    ASN1_ITEM_rptr(X509_ALGOR), p->maskGenAlgorithm->parameter);
	}
	bool ours = hash == NID_sha256 && mask != NULL &&
		    OBJ_obj2nid(mask->algorithm) == NID_sha256 && p->hashAlgorithm != NULL &&
		    OBJ_obj2nid(p->hashAlgorithm->algorithm) == NID_sha256 &&
		    p->saltLength != NULL && ASN1_INTEGER_get(p->saltLength) == 32 &&
		    (p->trailerField == NULL || ASN1_INTEGER_get(p->trailerField) == 1);
	X509_ALGOR_free(mask);
	RSA_PSS_PARAMS_free(p);
	return ours;
}

/* The kind of signature, and that it is by the very hash that the attributes were made with. */
static bool
check_algorithms(CMS_SignerInfo *signer, struct err *e)
{
	X509_ALGOR *hash, *algorithm;
	int made_with = NID_undef, key = NID_undef;
	CMS_SignerInfo_get0_algs(signer, NULL, NULL, &hash, &algorithm);
	int hash_nid = OBJ_obj2nid(hash->algorithm), nid = OBJ_obj2nid(algorithm->algorithm);
	if (!is_hash(hash_nid))
		return err_set(e, ERR_DATA, "its hash is %s, not SHA-256, SHA-384 or SHA-512",
		    OBJ_nid2sn(hash_nid));
	if (nid == NID_rsaEncryption)
		return true;
	if (nid == NID_rsassaPss)
		return is_our_pss(algorithm, hash_nid) ||
		       err_set(e, ERR_DATA, "RSA-PSS, but not with SHA-256 and a salt of 32 bytes");
	bool known = OBJ_find_sigid_algs(nid, &made_with, &key) == 1 && made_with == hash_nid &&
		     (key == NID_X9_62_id_ecPublicKey || key == NID_rsaEncryption);
	return known || err_set(e, ERR_DATA, "a signature of the kind %s", OBJ_nid2sn(nid));
}

static bool
check_signer(CMS_ContentInfo *cms, struct err *e)
{
	STACK_OF(CMS_SignerInfo) *signers = CMS_get0_SignerInfos(cms);
	int count = sk_CMS_SignerInfo_num(signers);
	if (count != 1)
		return err_set(e, ERR_DATA, "%d signers, not exactly one", count < 0 ? 0 : count);
	CMS_SignerInfo *signer = sk_CMS_SignerInfo_value(signers, 0);
	/* what is signed then begins otherwise than anything else that the key ever signs */
	if (CMS_signed_get_attr_count(signer) < 0)
		return err_set(e, ERR_DATA, "no signed attributes (it was made with -noattr)");
	return check_algorithms(signer, e);
}

/* One signature has one spelling. */
static bool
is_der(CMS_ContentInfo *cms, struct bytes in)
{
	unsigned char *again = NULL;
	int len = i2d_CMS_ContentInfo(cms, &again);
	bool same = len >= 0 && bytes_equal(bytes_from(again, (size_t)len), in);
	OPENSSL_free(again);
	return same;
}

static bool
check_shape(CMS_ContentInfo *cms, struct bytes in, struct err *e)
{
	if (OBJ_obj2nid(CMS_get0_type(cms)) != NID_pkcs7_signed)
		return err_set(e, ERR_DATA, "a CMS message, but no signature");
	if (CMS_is_detached(cms) != 1)
		return err_set(e, ERR_DATA,
		    "the text is attached (-nodetach); the signature must stand alone");
	if (OBJ_obj2nid(CMS_get0_eContentType(cms)) != NID_pkcs7_data)
		return err_set(e, ERR_DATA, "it signs a content of another type than data");
	if (!is_der(cms, in))
		return err_set(e, ERR_DATA, "not DER (-outform DER, without -stream)");
	return check_signer(cms, e);
}

/* OpenSSL 3.0 wraps a memory BIO in one of its own, which it loses when the message names an
 * unknown hash; a filter before it is passed on as it is. */
static BIO *
text_of(struct bytes content)
{
	BIO *filter = BIO_new(BIO_f_null());
	BIO *memory = BIO_new_mem_buf(content.data, (int)content.len);
	if (filter != NULL && memory != NULL)
		return BIO_push(filter, memory);
	BIO_free(filter);
	BIO_free(memory);
	return NULL;
}

static bool
verify(CMS_ContentInfo *cms, struct bytes content, struct err *e)
{
	BIO *text = text_of(content);
	/* the chain is judged by chain.c, against one party's anchors */
	bool good = text != NULL && CMS_verify(cms, NULL, NULL, text, NULL,
					CMS_BINARY | CMS_NO_SIGNER_CERT_VERIFY) == 1;
	int why = ERR_GET_REASON(ERR_peek_last_error());
	BIO_free_all(text);
	if (text == NULL)
		return err_set(e, ERR_NOMEM, "signature");
	return good ||
	       err_set(e, ERR_BAD_SIGNATURE, "%s",
		   why == CMS_R_SIGNER_CERTIFICATE_NOT_FOUND
		       ? "the signer's certificate is not inside (it was made with -nocerts)"
		   : why == CMS_R_CONTENT_VERIFY_ERROR ? "it signs another text"
						       : "it does not hold");
}

/* The signer's first, then the others. */
static bool
take_certs(CMS_ContentInfo *cms, STACK_OF(X509) * *out, struct err *e)
{
	STACK_OF(X509) *inside = CMS_get1_certs(cms), *signers = CMS_get0_signers(cms);
	int count = sk_X509_num(inside);
	if (count > (int)LIMIT_CHAIN_CERTS || sk_X509_num(signers) != 1) {
		chain_certs_free(inside);
		sk_X509_free(signers);
		return err_set(
		    e, ERR_DATA, "%d certificates inside, more than %u", count, LIMIT_CHAIN_CERTS);
	}
	X509 *leaf = sk_X509_value(signers, 0);
	STACK_OF(X509) *certs = sk_X509_new_reserve(NULL, count + 1);
	for (int i = -1; certs != NULL && i < count; i++) {
		X509 *x = i < 0 ? leaf : sk_X509_value(inside, i);
		if (i < 0 || X509_cmp(x, leaf) != 0) {
			(void)X509_up_ref(x);
			(void)sk_X509_push(certs, x); /* room was reserved */
		}
	}
	chain_certs_free(inside);
	sk_X509_free(signers);
	*out = certs;
	return certs != NULL || err_set(e, ERR_NOMEM, "certificates");
}

bool
cms_open(struct bytes signature, struct bytes content, STACK_OF(X509) * *out, struct err *e)
{
	const unsigned char *at = signature.data;
	if (signature.len > LIMIT_TERMS_SIGNATURE_BYTES || content.len > INT32_MAX)
		return err_set(e, ERR_LIMIT, "%zu bytes, more than %u", signature.len,
		    LIMIT_TERMS_SIGNATURE_BYTES);
	CMS_ContentInfo *cms =
	    signature.len == 0 ? NULL : d2i_CMS_ContentInfo(NULL, &at, (long)signature.len);
	bool ok = cms != NULL && at == signature.data + signature.len;
	ok = ok ? check_shape(cms, signature, e) && verify(cms, content, e) &&
		      take_certs(cms, out, e)
		: err_set(e, ERR_DATA, "%zu bytes are not exactly one CMS message in DER",
		      signature.len);
	CMS_ContentInfo_free(cms);
	ERR_clear_error();
	return ok;
}
