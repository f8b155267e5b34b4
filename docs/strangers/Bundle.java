import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.time.Instant;
import java.time.LocalDate;
import java.time.temporal.ChronoUnit;
import java.util.Arrays;
import java.util.Base64;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.avro.file.DataFileReader;
import org.apache.avro.generic.GenericData;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericFixed;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.generic.IndexedRecord;
import org.apache.avro.io.EncoderFactory;
import org.apache.avro.message.BinaryMessageDecoder;
import org.apache.avro.message.SchemaStore;

/** Reads the entries of a bundle with Avro's own Java library; see strangers.md. */
public final class Bundle {
    private static final String USAGE = """
            usage:
            	java Bundle schemas DIRECTORY
            	java Bundle entries BUNDLE DIRECTORY
            	java Bundle disclosed BUNDLE DIRECTORY""";

    public static void main(String[] args) throws Exception {
        switch (args.length == 0 ? "" : args[0] + args.length) {
            case "schemas2" -> schemas(Path.of(args[1])).forEach((name, schema) ->
                System.out.println(fingerprint(schema) + " " + schema.getFullName() + " " + name));
            case "entries3" -> entries(Path.of(args[1]), Files.createDirectory(Path.of(args[2])));
            case "disclosed3" -> disclosed(Path.of(args[1]), Path.of(args[2]));
            default -> throw new Refused(USAGE);
        }
    }

    /** The schemas of a folder by the names of their files. */
    private static Map<String, Schema> schemas(Path directory) throws IOException {
        Map<String, Schema> found = new TreeMap<>();
        try (var files = Files.newDirectoryStream(directory, "*.avsc")) {
            for (Path file : files) {
                found.put(file.getFileName().toString(), new Schema.Parser().parse(file.toFile()));
            }
        }
        return found;
    }

    /** CRC-64-AVRO of the canonical form, as its bytes stand in an entry. */
    private static String fingerprint(Schema schema) {
        long found = SchemaNormalization.parsingFingerprint64(schema);
        return HexFormat.of().formatHex(ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putLong(found).array());
    }

    /** The schemas of a bundle, found by the fingerprint that Java computes: it must be the one in the name. */
    private static SchemaStore.Cache store(Path bundle) throws IOException {
        SchemaStore.Cache store = new SchemaStore.Cache();
        schemas(bundle.resolve("schemas")).forEach((name, schema) -> {
            String expected = schema.getFullName() + "." + fingerprint(schema) + ".avsc";
            check(name.equals(expected), "schemas/%s should be named %s", name, expected);
            store.addSchema(schema);
        });
        return store;
    }

    /** The one value that single-object bytes hold. */
    private static GenericRecord decode(SchemaStore store, byte[] data) throws IOException {
        check(data.length >= 10, "%d bytes are no single object", data.length);
        Schema schema = store.findByFingerprint(ByteBuffer.wrap(data, 2, 8).order(ByteOrder.LITTLE_ENDIAN).getLong());
        check(schema != null, "no schema of fingerprint %s", HexFormat.of().formatHex(data, 2, 10));
        ByteArrayInputStream input = new ByteArrayInputStream(data);
        GenericRecord value = new BinaryMessageDecoder<GenericRecord>(GenericData.get(), schema).decode(input);
        check(input.available() == 0, "%d bytes behind a value", input.available());
        return value;
    }

    private static byte[] bytes(Object value) {
        ByteBuffer buffer = ((ByteBuffer) value).duplicate();
        byte[] found = new byte[buffer.remaining()];
        buffer.get(found);
        return found;
    }

    /** What an entry's happened_on says; nothing where the day is not known. */
    private static String happened(Object value) {
        return switch (value) {
            case null -> "unknown";
            case Integer days -> LocalDate.ofEpochDay(days).toString();
            case Long micros -> Instant.EPOCH.plus(micros, ChronoUnit.MICROS).toString();
            default -> throw new Refused("happened_on is " + value);
        };
    }

    /** Writes the bytes of each entry into a file of its index, and beside it what they say. */
    private static void entries(Path bundle, Path directory) throws Exception {
        SchemaStore store = store(bundle);
        File container = bundle.resolve("entries.avro").toFile();
        long count = 0;
        long last = -1;
        String origin = null;
        byte[] leaf = new byte[32];
        try (var reader = new DataFileReader<GenericRecord>(container, new GenericDatumReader<>())) {
            for (GenericRecord held : reader) {
                byte[] data = bytes(held.get("entry"));
                GenericRecord entry = decode(store, data);
                long index = (long) held.get("index");
                check(entry.get("index").equals(index), "entry %d says that it is %s", index, entry.get("index"));
                origin = origin == null ? entry.get("ledger").toString() : origin;
                check(origin.equals(entry.get("ledger").toString()), "entry %d is of another ledger", index);
                check(index > last, "entry %d stands behind entry %d", index, last);
                boolean follows = Arrays.equals(((GenericFixed) entry.get("previous")).bytes(), leaf);
                check(index != last + 1 || follows, "entry %d does not follow the one before it", index);
                MessageDigest hash = MessageDigest.getInstance("SHA-256");
                hash.update((byte) 0);
                leaf = hash.digest(data);
                GenericRecord payload = decode(store, bytes(entry.get("payload")));
                String event = entry.get("event").toString();
                check(event.equals(payload.getSchema().getFullName()), "entry %d holds another event", index);
                System.out.printf("%d %s %s %s%n", index, entry.get("stream"), event, happened(entry.get("happened_on")));
                entry.put("payload", payload);
                Files.write(directory.resolve(Long.toString(index)), data);
                Files.writeString(directory.resolve(index + ".json"), entry.toString());
                count++;
                last = index;
            }
        }
        System.out.printf("%d entries of %s%n", count, origin);
    }

    /** Checks each opened field of a bundle against the entry, which lies in the folder under its index. */
    private static void disclosed(Path bundle, Path directory) throws Exception {
        SchemaStore store = store(bundle);
        for (JsonNode each : new ObjectMapper().readTree(bundle.resolve("disclosures.json").toFile())) {
            String index = Long.toString(each.get("index").longValue());
            String path = each.get("path").textValue();
            String value = each.get("value").textValue();
            GenericRecord entry = decode(store, Files.readAllBytes(directory.resolve(index)));
            IndexedRecord holder = decode(store, bytes(entry.get("payload")));
            List<String> names = Arrays.asList(path.split("\\."));
            if (names.get(0).equals("entry")) {
                holder = entry;
                names = names.subList(1, names.size());
            }
            for (String name : names.subList(0, names.size() - 1)) {
                holder = (IndexedRecord) ((GenericRecord) holder).get(name);
            }
            String last = names.get(names.size() - 1);
            GenericRecord sealed = (GenericRecord) holder;
            String type = "bytes";
            String held = value;
            if (last.equals("content") && holder.getSchema().getFullName().equals("ledger.v1.Attachment")) {
                check(value.equals("attachments/" + index + "/" + path), "entry %s, %s: another file", index, path);
                held = Base64.getEncoder().encodeToString(Files.readAllBytes(bundle.resolve(value)));
            } else {
                Schema.Field field = holder.getSchema().getField(last);
                sealed = (GenericRecord) holder.get(field.pos());
                type = ((Map<?, ?>) field.getObjectProp("personal")).get("type").toString();
            }
            byte[] salt = HexFormat.of().parseHex(each.get("salt").textValue());
            byte[] said = ((GenericFixed) sealed.get("commitment")).bytes();
            check(Arrays.equals(commitment(salt, path, type, held), said),
                "entry %s, %s: '%s' is not what was recorded", index, path, value);
            System.out.printf("entry %s, %s: '%s' is what was recorded%n", index, path, value);
        }
    }

    /** HMAC-SHA256 under the salt over the path and the value's Avro encoding. */
    private static byte[] commitment(byte[] salt, String path, String type, String value)
            throws IOException, GeneralSecurityException {
        Object datum = switch (type) {
            case "string" -> value;
            case "long" -> Long.valueOf(value);
            case "bytes" -> ByteBuffer.wrap(Base64.getDecoder().decode(value));
            default -> throw new Refused("a sealed value of type " + type);
        };
        Schema schema = Schema.create(Schema.Type.valueOf(type.toUpperCase()));
        ByteArrayOutputStream encoded = new ByteArrayOutputStream();
        var encoder = EncoderFactory.get().directBinaryEncoder(encoded, null);
        new GenericDatumWriter<>(schema).write(datum, encoder);
        byte[] name = path.getBytes(StandardCharsets.UTF_8);
        Mac mac = Mac.getInstance("HmacSHA256");
        mac.init(new SecretKeySpec(salt, "HmacSHA256"));
        mac.update("ledger.v1.Sealed\0".getBytes(StandardCharsets.US_ASCII));
        mac.update(ByteBuffer.allocate(2).putShort((short) name.length).array());
        mac.update(name);
        return mac.doFinal(encoded.toByteArray());
    }

    private static void check(boolean holds, String message, Object... values) {
        if (!holds) {
            throw new Refused(String.format(message, values));
        }
    }

    /** What is shown is not what was recorded. */
    private static final class Refused extends RuntimeException {
        private static final long serialVersionUID = 1;

        Refused(String message) {
            super(message);
        }
    }
}
