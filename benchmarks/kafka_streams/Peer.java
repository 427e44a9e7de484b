import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.FileReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;

/**
 * The peer of `make bench-processing`: the same records read, the same ones written, by Kafka Streams with
 * `exactly_once_v2`. Arguments: file of client settings, application id, threads, commit interval in ms, state folder.
 * Runs until it is stopped by a signal.
 */
public final class Peer {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws IOException {
        Properties settings = new Properties();
        try (FileReader file = new FileReader(arguments[0])) {
            settings.load(file);
        }
        settings.put("application.id", arguments[1]);
        settings.put("num.stream.threads", arguments[2]);
        settings.put("commit.interval.ms", arguments[3]);
        settings.put("state.dir", arguments[4]);
        settings.put("processing.guarantee", "exactly_once_v2");
        settings.put("auto.offset.reset", "earliest");
        settings.put("replication.factor", "1");
        settings.put("statestore.cache.max.bytes", "0");
        // Same as the producer of the processor runtime.
        settings.put("producer.linger.ms", "20");
        settings.put("producer.batch.size", "1000000");
        settings.put("producer.compression.type", "lz4");

        StreamsBuilder builder = new StreamsBuilder();
        builder.stream("web_logs", Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
                .map((key, value) -> order(value))
                .to("orders", Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
        KafkaStreams streams = new KafkaStreams(builder.build(), settings);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(10))));
        streams.start();
    }

    private static KeyValue<byte[], byte[]> order(byte[] value) {
        try {
            JsonNode hit = JSON.readTree(value);
            ObjectNode order = JSON.createObjectNode();
            order.set("event_id", hit.get("event_id"));
            order.set("event_time", hit.get("event_time"));
            order.put("source", "bench");
            order.set("order_id", hit.get("event_id"));
            order.put("channel", "web");
            order.put("kind", "order");
            order.set("customer_id", hit.get("visitor_id"));
            order.put("currency", "GBP");
            order.putArray("lines");
            order.put("total", "0");
            order.set("referrer", hit.get("path"));
            return KeyValue.pair(hit.get("visitor_id").textValue().getBytes(), JSON.writeValueAsBytes(order));
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }
}
