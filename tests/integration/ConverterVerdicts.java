import headrace.connect.ContractConverter;
import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.Map;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.connect.data.Field;
import org.apache.kafka.connect.data.Struct;
import org.apache.kafka.connect.errors.DataException;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * The verdicts of Connect's converter, for tests: each line of the input is a value in base 64, each line of the output
 * what it becomes, as JSON: the row, or the reason why there is none. The version in the record's header may follow after
 * a space. The arguments are `schema.content` and the version of the contract.
 */
public final class ConverterVerdicts {
    private static final ObjectMapper JSON = new ObjectMapper();

    public static void main(String[] arguments) throws Exception {
        ContractConverter converter = new ContractConverter();
        converter.configure(Map.of("schema.content", arguments[0], "version", arguments[1]), false);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.US_ASCII));
        PrintStream out = new PrintStream(System.out, false, StandardCharsets.UTF_8);
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String[] parts = line.split(" ");
            RecordHeaders headers = new RecordHeaders();
            if (parts.length > 1) {
                headers.add("contract-version", parts[1].getBytes(StandardCharsets.US_ASCII));
            }
            out.println(JSON.writeValueAsString(verdict(converter, headers, Base64.getDecoder().decode(parts[0]))));
            out.flush();
        }
    }

    private static ObjectNode verdict(ContractConverter converter, RecordHeaders headers, byte[] value) {
        ObjectNode verdict = JSON.createObjectNode();
        try {
            Struct struct = (Struct) converter.toConnectData("topic", headers, value).value();
            ObjectNode row = verdict.putObject("row");
            for (Field field : struct.schema().fields()) {
                row.putPOJO(field.name(), struct.get(field));
            }
        } catch (DataException error) {
            verdict.put("rejected", error.getMessage());
        }
        return verdict;
    }
}
